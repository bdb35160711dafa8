public import Devices
public import Memslots
public import PCI

/// The functions of a machine, on buses side by side, and the ways by which software finds them.
///
/// It does with the parts of `PCI` what a machine does with them, but there is no guest memory behind it: `agrees` says whether
/// memory follows a change of decode. Without `bridges` each bus is a root bus. An absent function reads as all ones and drops writes.
///
///     var root = RootComplex()
///     try root.insert(description, at: address)
///     _ = root.writeECAM(2, at: RootComplex.ecamOffset(of: address, register: 4), width: .word)
///     root.memory.regions  // What the function decodes.
public struct RootComplex: Sendable {
    /// Bytes of the memory-mapped configuration space of 256 buses (PCIe, 7.2.2).
    public static let ecamSize: UInt64 = 256 << 20

    private var functions: [FunctionAddress: PCIFunction] = [:]
    private var configAddress = ConfigAddress()
    private var ports = DecodedPorts()
    /// What all functions decode in memory.
    public private(set) var memory: DecodedMemory
    /// Whether memory follows the next changes of decode. A change that is refused leaves all as it was.
    public var agrees = true

    /// What a write to a function's configuration space led to.
    public struct Write: Sendable {
        public let function: FunctionAddress
        /// The change of decode that the write proposed; nil where it proposed none.
        public fileprivate(set) var proposal: DecodeProposal?
        public fileprivate(set) var isRefused = false
        public fileprivate(set) var outcome = AccessOutcome()
        /// How decoded memory changes; nil where the write is about something else, or was refused.
        public fileprivate(set) var change: DecodedMemory.Change?

        /// Whether the write led to nothing.
        public var isEmpty: Bool { proposal == nil && outcome.asksForNothing }
    }

    public init(reserved: [GuestRange] = [], policy: DecodePolicy = .strict, bridges: BridgeTree = BridgeTree()) {
        memory = DecodedMemory(reserved: reserved, policy: policy, bridges: bridges)
    }

    /// Where there are functions, in order.
    public var addresses: [FunctionAddress] { functions.keys.sorted() }

    public subscript(address: FunctionAddress) -> PCIFunction? { functions[address] }

    // MARK: Functions

    /// Puts a function on the bus.
    public mutating func insert(_ model: any FunctionModel, at address: FunctionAddress) throws(DescriptionError) {
        guard functions[address] == nil else { throw .addressTaken(address) }
        functions[address] = try PCIFunction(model, at: address)
        updateMultifunction(around: address)
    }

    public mutating func insert(
        _ description: FunctionDescription, at address: FunctionAddress
    ) throws(DescriptionError) {
        try insert(DescribedFunction(description), at: address)
    }

    /// Takes a function off the bus.
    ///
    /// - Returns: how decoded memory changes, or nil where there is no function.
    @discardableResult
    public mutating func remove(_ address: FunctionAddress) -> DecodedMemory.Change? {
        guard functions.removeValue(forKey: address) != nil else { return nil }
        updateMultifunction(around: address)
        return forget(address)
    }

    /// Resets a function; nothing where there is none.
    @discardableResult
    public mutating func reset(_ address: FunctionAddress) -> DecodedMemory.Change {
        functions[address]?.reset()
        return forget(address)
    }

    private mutating func forget(_ address: FunctionAddress) -> DecodedMemory.Change {
        let change = memory.remove(address)
        ports.remove(address, through: memory.bridges)
        return change
    }

    /// A device is multifunction when it has any function but 0 (PCI 3.0, 6.2.1).
    private mutating func updateMultifunction(around address: FunctionAddress) {
        let siblings = (0..<8).compactMap {
            FunctionAddress(bus: address.bus, device: address.device, function: $0)
        }
        let isMultifunction = siblings.contains { $0.function != 0 && functions[$0] != nil }
        for sibling in siblings { functions[sibling]?.isMultifunction = isMultifunction }
    }

    /// Writes addresses into the registers of functions, and switches their decode on if `enabling`.
    public mutating func place(_ assignments: [AddressAssignment], enabling: Bool = true) {
        for assignment in assignments {
            let owner = assignment.owner
            functions[owner.function]?.numberBuses()
            if enabling {
                functions[owner.function]?.place(assignment)
            } else {
                functions[owner.function]?.setBase(of: owner.register, to: assignment.base)
            }
        }
        for address in Set(assignments.map(\.owner.function)).sorted() {
            guard let function = functions[address] else { continue }
            _ = memory.update(function)
            ports.update(function, through: memory.bridges)
        }
    }

    /// Raises a vector of a function; see `PCIFunction.raise`.
    public mutating func raise(vector: UInt64, of address: FunctionAddress) -> MSIMessage? {
        functions[address]?.raise(vector: vector)
    }
}

// MARK: - Configuration space

extension RootComplex {
    /// Reads CONFIG_ADDRESS (offset 0, port 0xcf8) or CONFIG_DATA (offset 4).
    public mutating func readPort(at offset: UInt64, width: AccessWidth) -> UInt64 {
        if offset == 0, width == .doubleword { return UInt64(configAddress.rawValue) }
        return configAddress.target(at: offset, width: width).map { read($0, width) } ?? width.allOnes
    }

    /// Writes CONFIG_ADDRESS or CONFIG_DATA; nil where that reaches no function.
    public mutating func writePort(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> Write? {
        if offset == 0, width == .doubleword {
            configAddress.rawValue = UInt32(truncatingIfNeeded: value)
            return nil
        }
        return configAddress.target(at: offset, width: width).flatMap { write(value, $0, width) }
    }

    /// Reads memory-mapped configuration space.
    public mutating func readECAM(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard offset < Self.ecamSize else { return width.allOnes }
        return read(ConfigTarget(ecamOffset: offset), width)
    }

    /// Writes memory-mapped configuration space; nil where that reaches no function.
    public mutating func writeECAM(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> Write? {
        guard offset < Self.ecamSize else { return nil }
        return write(value, ConfigTarget(ecamOffset: offset), width)
    }

    /// Where a register of a function lies in memory-mapped configuration space.
    public static func ecamOffset(of address: FunctionAddress, register: UInt64) -> UInt64 {
        UInt64(address.requesterID) << 12 | register & 0xfff
    }

    private mutating func read(_ target: ConfigTarget, _ width: AccessWidth) -> UInt64 {
        guard let address = memory.bridges.firmwareAddress(of: target.function, memory.bridges.busesBySoftwareNumber)
        else {
            return width.allOnes
        }
        return functions[address]?.read(at: target.register, width: width) ?? width.allOnes
    }

    private mutating func write(_ value: UInt64, _ target: ConfigTarget, _ width: AccessWidth) -> Write? {
        guard let address = memory.bridges.firmwareAddress(of: target.function, memory.bridges.busesBySoftwareNumber),
            let made = functions[address]?.write(value, at: target.register, width: width)
        else { return nil }
        var write = Write(function: address)
        switch made {
        case .done(let outcome): write.outcome = outcome
        case .proposed(let proposal):
            write.proposal = proposal
            settle(proposal, &write)
        }
        return write
    }

    /// Lets memory follow a change of decode and commits it, or takes it back.
    private mutating func settle(_ proposal: DecodeProposal, _ write: inout Write) {
        let change = proposal.affectsMemory ? memory.propose(proposal.function) : nil
        guard agrees else {
            if let change { memory.withdraw(change) }
            write.isRefused = true
            return
        }
        write.change = change?.change
        write.outcome = functions[write.function]?.commit(proposal) ?? AccessOutcome()
        ports.update(proposal.function, through: memory.bridges)
    }
}

// MARK: - Trapped places

extension RootComplex {
    /// The place in an I/O BAR that an access to ports reaches; nil where its ports are not all in one BAR that is decoded.
    public func trappedPort(_ port: UInt64, width: AccessWidth) -> TrappedPlace? {
        ports.trapped(at: port, width: width)
    }

    /// Reads a place that `DecodedMemory.trapped` or `trappedPort` found.
    public mutating func readTrapped(_ place: TrappedPlace, width: AccessWidth) -> UInt64 {
        functions[place.owner.function]?.readTrapped(place.owner.register, at: place.offset, width: width)
            ?? width.allOnes
    }

    /// Writes a place that `DecodedMemory.trapped` or `trappedPort` found.
    public mutating func writeTrapped(_ value: UInt64, _ place: TrappedPlace, width: AccessWidth) -> AccessOutcome {
        functions[place.owner.function]?.writeTrapped(value, place.owner.register, at: place.offset, width: width)
            ?? AccessOutcome()
    }

    /// Counts writes that KVM has taken for a function.
    public mutating func add(count: UInt64, of event: FunctionEvent, to address: FunctionAddress) {
        functions[address]?.add(count: count, of: event)
    }
}
