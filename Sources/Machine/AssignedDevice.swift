internal import Devices
public import Host
public import Memslots
public import PCI
public import VFIOUser

/// A device that somebody else drives: another process, or the kernel. A machine gives it to its guest as a PCI function.
///
/// The machine calls the methods from any thread, and several at a time. A method that asks the device may block. This delays
/// the vCPUs that access this function, and no others. Once the device is lost, every call returns at once.
public protocol AssignedDevice: AnyObject, Sendable {
    /// The device's regions, interrupts and configuration space.
    var record: DeviceRecord { get }

    /// The writes to the function for which the device has eventfds of its own.
    var writeEvents: [(event: FunctionEvent, descriptor: SharedDescriptor)] { get }

    /// Reads bytes of a region. Returns nil if the device refuses or is lost.
    func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, count: Int) -> [UInt8]?

    /// Writes bytes of a region.
    func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64)

    /// Opens the memory of a part of a region. The part lies in areas of the region that can be mapped.
    func openMemory(of region: DeviceRecord.RegionNumber, _ part: Range<UInt64>) throws(HostError) -> ForeignMemory

    /// Sets the eventfds that the device signals from now on for one kind of interrupts. It signals no others of this kind.
    ///
    /// - Parameters:
    ///   - events: The eventfds by vector, or nil for vectors without one.
    ///   - resample: The eventfd that says that the guest has handled the interrupt line.
    /// - Returns: The number of vectors that the device can signal, if it is smaller than the number that it has.
    @discardableResult
    func setInterrupts(
        _ kind: DeviceRecord.InterruptKind, _ events: [SharedDescriptor?], resample: SharedDescriptor?
    ) -> Int?

    /// Makes the observer that gives the device the guest's RAM.
    func makeObserver(of ram: SharedRAM) -> any MemoryObserver

    /// Sets the device's own command register, as `FunctionModel.setCommand` does.
    func setCommand(_ command: UInt16)

    /// Sets the device's own power state, as `FunctionModel.setPowerState` does.
    func setPowerState(_ state: UInt8)

    /// Resets the device if it can be reset, within a second.
    func reset()

    /// Gives the device of a lost function back to its process or to the kernel.
    func release()

    /// Sets a handler for the loss of the device. A thread that holds no lock calls it with the reason, once the device is lost.
    ///
    /// - Returns: The reason if the device is lost already. The handler is not called then.
    func onLoss(_ handler: @escaping @Sendable (_ reason: String) -> Void) -> String?

    /// Checks the memory behind the regions. If it is no longer whole, the device is lost.
    ///
    /// - Returns: The reason if the device is lost, otherwise nil.
    func checkMemory() -> String?
}

/// The holder of the memory and the eventfds of assigned devices. It gives each of them a number.
protocol DeviceResources {
    mutating func add(_ backing: ForeignBacking) throws(MachineError) -> Backing
    mutating func add(_ event: SharedDescriptor) throws(MachineError) -> Int
}

extension MachineConfiguration: DeviceResources {}

/// The model of a function behind which an assigned device stands.
struct AssignedFunction: FunctionModel {
    let device: any AssignedDevice
    let description: FunctionDescription
    let events: [FunctionEvent]
    let romImage: [UInt8]?
    let resources: FunctionResources
    private let backings: [BAROffset: Backing]

    private struct BAROffset: Hashable {
        let register: BaseAddressRegister
        let offset: UInt64
    }

    /// Opens the device's memory, and adds the memory and the device's eventfds to a machine.
    init(
        _ device: any AssignedDevice, at address: FunctionAddress, in machine: inout some DeviceResources
    ) throws(MachineError) {
        self.device = device
        do { description = try device.record.functionDescription() } catch { throw .description(address, error) }
        var backings: [BAROffset: Backing] = [:]
        var resources = FunctionResources()
        for case .bar(let number) in description.registers {
            let register = BaseAddressRegister.bar(number)
            guard let region = DeviceRecord.RegionNumber(register) else { continue }
            for piece in description.pieces(of: register) where piece.kind == .mapped {
                let shown = try host(try ForeignBacking(device.openMemory(of: region, piece.offsets)))
                let backing = try machine.add(shown)
                backings[BAROffset(register: register, offset: piece.offsets.lowerBound)] = backing
                resources.memory[backing] = piece.size
            }
        }
        self.backings = backings
        var events: [FunctionEvent] = []
        for (offered, descriptor) in device.writeEvents {
            var event = offered
            let number = try machine.add(descriptor)
            resources.events.append(number)
            event.descriptor = number
            events.append(event)
        }
        (self.events, self.resources) = (events, resources)
        let romSize = description.romSize == nil ? nil : device.record.regions[.rom]?.size
        romImage = romSize.flatMap { device.read(.rom, at: 0, count: Int($0)) }
    }

    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? {
        backings[BAROffset(register: register, offset: piece.offsets.lowerBound)]
    }

    mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        DeviceRecord.RegionNumber(register).map { read($0, at: offset, width) } ?? width.allOnes
    }

    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        if let region = DeviceRecord.RegionNumber(register) { write(value, region, at: offset, width) }
        return .none
    }

    mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 {
        read(.configuration, at: offset, width)
    }

    mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects {
        write(value, .configuration, at: offset, width)
        return .none
    }

    private func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, _ width: AccessWidth) -> UInt64 {
        guard contains(region, offset, width), device.record.regions[region]?.isReadable == true,
            let bytes = device.read(region, at: offset, count: width.rawValue)
        else { return width.allOnes }
        return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func write(
        _ value: UInt64, _ region: DeviceRecord.RegionNumber, at offset: UInt64, _ width: AccessWidth
    ) {
        guard contains(region, offset, width), device.record.regions[region]?.isWritable == true else { return }
        device.write(littleEndian(value, Int(width.rawValue)), region, at: offset)
    }

    /// Returns whether an access lies in a region. Where a region has a size that no register can have, the BAR is larger than
    /// the region.
    private func contains(_ region: DeviceRecord.RegionNumber, _ offset: UInt64, _ width: AccessWidth) -> Bool {
        let size = device.record.regions[region]?.size ?? 0
        return offset <= size && UInt64(width.rawValue) <= size - offset
    }

    mutating func setCommand(_ command: UInt16) { device.setCommand(command) }
    mutating func setPowerState(_ state: UInt8) { device.setPowerState(state) }
    mutating func reset() { device.reset() }
}

extension AssignedDevice {
    /// Does nothing.
    public func setCommand(_ command: UInt16) {}
    /// Does nothing.
    public func setPowerState(_ state: UInt8) {}
    /// Does nothing.
    public func release() {}
}

extension DeviceProcess: AssignedDevice {
    /// The writes for which the process has offered eventfds.
    public var writeEvents: [(event: FunctionEvent, descriptor: SharedDescriptor)] {
        events.map { offered in
            let event = FunctionEvent(
                register: .bar(Int(offered.region.rawValue)), offset: offered.event.offset,
                size: UInt32(offered.event.size), match: offered.event.match)
            return (event, offered.descriptor)
        }
    }

    /// Lets the process reach the guest's RAM by messages too, and makes the observer that maps the RAM for it.
    public func makeObserver(of ram: SharedRAM) -> any MemoryObserver {
        let memory = MappedRAM(ram)
        setMemory(memory)
        return ProcessMemory(self, memory)
    }

    /// Sets a handler for the loss of the process. Returns the reason if the process is lost already.
    public func onLoss(_ handler: @escaping @Sendable (_ reason: String) -> Void) -> String? {
        onLoss(LossHandler { handler("\($0)") }).map { "\($0)" }
    }

    /// Checks the files of the memory behind regions. Returns the reason if the process is lost.
    public func checkMemory() -> String? { checkFiles().map { "\($0)" } }
}
