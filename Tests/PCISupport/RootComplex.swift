public import Devices

/// The functions of a machine, on buses side by side, and the ways by which software finds them.
///
/// There are no bridges: each bus is a root bus. An absent function reads as all ones and drops writes.
public struct RootComplex: Sendable {
    private var functions: [FunctionAddress: PCIFunction] = [:]
    /// CONFIG_ADDRESS at port 0xcf8 (PCI 3.0, 3.2.2.3.2).
    private var configAddress: UInt32 = 0
    private var ports = DecodedPorts()

    public init() {}

    /// Where there are functions, in order.
    public var addresses: [FunctionAddress] {
        functions.keys.sorted()
    }

    public subscript(address: FunctionAddress) -> PCIFunction? {
        functions[address]
    }

    // MARK: Functions

    /// Puts a function on the bus.
    public mutating func insert(
        _ description: FunctionDescription, at address: FunctionAddress
    ) throws(DescriptionError) {
        guard functions[address] == nil else { throw .addressTaken(address) }
        functions[address] = try PCIFunction(description, at: address)
        updateMultifunction(around: address)
    }

    /// Takes a function off the bus; false where there is none.
    @discardableResult
    public mutating func remove(_ address: FunctionAddress) -> Bool {
        guard functions.removeValue(forKey: address) != nil else { return false }
        ports.remove(address)
        updateMultifunction(around: address)
        return true
    }

    /// Resets a function; nothing where there is none.
    public mutating func reset(_ address: FunctionAddress) {
        functions[address]?.reset()
        ports.remove(address)
    }

    /// A device is multifunction when it has any function but 0 (PCI 3.0, 6.2.1).
    private mutating func updateMultifunction(around address: FunctionAddress) {
        let siblings = (0..<8).compactMap {
            FunctionAddress(bus: address.bus, device: address.device, function: $0)
        }
        let isMultifunction = siblings.contains { $0.function != 0 && functions[$0] != nil }
        for sibling in siblings where functions[sibling]?.isMultifunction == !isMultifunction {
            functions[sibling]?.isMultifunction = isMultifunction
        }
    }

    // MARK: Addresses

    /// Writes addresses into the registers, and switches on memory, port and ROM decode of these functions if `enabling`.
    public mutating func place(_ assignments: [AddressAssignment], enabling: Bool) {
        for assignment in assignments {
            let owner = assignment.owner
            functions[owner.function]?.place(owner.register, at: assignment.base, enabling: enabling)
        }
        for address in Set(assignments.map(\.owner.function)) {
            updatePorts(of: address)
        }
    }

    // MARK: Configuration by ports

    /// Reads CONFIG_ADDRESS (offset 0) or CONFIG_DATA (offset 4) of configuration mechanism #1 (PCI 3.0, 3.2.2.3.2).
    public func readPort(at offset: UInt64, width: AccessWidth) -> UInt64 {
        if offset == 0, width == .doubleword { return UInt64(configAddress) }
        guard let (address, register) = portTarget(offset, width) else { return width.allOnes }
        return read(address, at: register, width: width)
    }

    /// Writes CONFIG_ADDRESS or CONFIG_DATA; gives what that changed in which function.
    public mutating func writePort(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> ConfigWrite? {
        if offset == 0, width == .doubleword {
            configAddress = UInt32(truncatingIfNeeded: value)
            return nil
        }
        guard let (address, register) = portTarget(offset, width) else { return nil }
        return write(value, address, at: register, width: width)
    }

    /// What an access to the data port at `offset` stands for, or nil where that is none or CONFIG_ADDRESS is not enabled.
    ///
    /// Hardware knows no low bits of the register, and the port chooses the byte. Test kernels put them into CONFIG_ADDRESS and
    /// read the first data port: the sum of both is where they look. A sum that the access cannot have is a register's, as ever.
    private func portTarget(_ offset: UInt64, _ width: AccessWidth) -> (FunctionAddress, UInt64)? {
        guard (4...7).contains(offset), configAddress >> 31 != 0 else { return nil }
        let address = FunctionAddress(requesterID: UInt16(truncatingIfNeeded: configAddress >> 8))
        let sum = UInt64(configAddress & 0xff) + offset & 3
        let isAligned = sum.isMultiple(of: UInt64(width.rawValue)) && sum < 256
        return (address, isAligned ? sum : UInt64(configAddress & 0xfc) | offset & 3)
    }

    // MARK: Configuration by memory

    /// Bytes of the memory-mapped configuration space of 256 buses (PCIe, 7.2.2).
    public static let ecamSize: UInt64 = 256 << 20

    /// Reads at bus << 20 | device << 15 | function << 12 | register.
    public func readECAM(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard offset < Self.ecamSize else { return width.allOnes }
        return read(Self.ecamTarget(offset), at: offset & 0xfff, width: width)
    }

    /// Writes at bus << 20 | device << 15 | function << 12 | register; gives what that changed in which function.
    public mutating func writeECAM(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> ConfigWrite? {
        guard offset < Self.ecamSize else { return nil }
        return write(value, Self.ecamTarget(offset), at: offset & 0xfff, width: width)
    }

    /// Where a register of a function lies in it.
    public static func ecamOffset(of address: FunctionAddress, register: UInt64) -> UInt64 {
        UInt64(address.requesterID) << 12 | register & 0xfff
    }

    private static func ecamTarget(_ offset: UInt64) -> FunctionAddress {
        FunctionAddress(requesterID: UInt16(truncatingIfNeeded: offset >> 12))
    }

    // MARK: Functions' own

    private func read(_ address: FunctionAddress, at offset: UInt64, width: AccessWidth) -> UInt64 {
        functions[address]?.read(at: offset, width: width) ?? width.allOnes
    }

    private mutating func write(
        _ value: UInt64, _ address: FunctionAddress, at offset: UInt64, width: AccessWidth
    ) -> ConfigWrite? {
        guard let change = functions[address]?.write(value, at: offset, width: width), !change.isEmpty else {
            return nil
        }
        if change.portDecode != nil || !change.moved.isEmpty {
            updatePorts(of: address)
        }
        return ConfigWrite(function: address, change: change)
    }

    private mutating func updatePorts(of address: FunctionAddress) {
        if let function = functions[address] {
            ports.update(function)
        }
    }

    /// Which function's I/O BAR holds a port; nil where the ports of the access are not all in one that is decoded. The lower
    /// function wins.
    public func trappedPort(_ port: UInt64, width: AccessWidth) -> TrappedPlace? {
        ports.trapped(at: port, width: width)
    }

    /// Reads the place that `DecodedMemory.trapped` or `trappedPort` found.
    public func readTrapped(_ place: TrappedPlace, width: AccessWidth) -> UInt64 {
        functions[place.owner.function]?.readTrapped(place.owner.register, at: place.offset, width: width)
            ?? width.allOnes
    }

    /// Writes the place that `DecodedMemory.trapped` or `trappedPort` found; gives the messages that this sends.
    public mutating func writeTrapped(_ value: UInt64, _ place: TrappedPlace, width: AccessWidth) -> [MSIMessage] {
        functions[place.owner.function]?.writeTrapped(value, place.owner.register, at: place.offset, width: width)
            ?? []
    }

    /// Adds writes that KVM has taken to what the test device at `address` has counted.
    public mutating func add(events: UInt64, to address: FunctionAddress) {
        functions[address]?.testDevice?.add(events: events)
    }

    /// Raises a vector of a function; see `PCIFunction.raise`.
    public mutating func raise(vector: UInt64, of address: FunctionAddress) -> MSIMessage? {
        functions[address]?.raise(vector: vector)
    }
}
