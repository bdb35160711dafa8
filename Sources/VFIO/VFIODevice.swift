internal import CVFIO
public import Host
public import PCI
internal import SystemPackage

/// A function of the host that this process has for itself. Closing the device resets the function if it can be reset.
public final class VFIODevice: Sendable {
    /// The function as the kernel names it, such as `0000:01:00.0`.
    public let name: String
    /// The regions, interrupts, reset and configuration space that the function gives.
    public let record: DeviceRecord
    private let descriptor: Descriptor
    /// The offset of each region in the device's file, in bytes.
    private let offsets: [DeviceRecord.RegionNumber: UInt64]

    /// Opens a function of a group.
    public init(_ name: String, of group: Group) throws(VFIOError) {
        let number = group.number
        let descriptor = try vfio(try group.descriptor.openDevice(name), of: name, group: number)
        let information = try vfio(
            try descriptor.information(CVFIO_DEVICE, least: 16, "VFIO_DEVICE_GET_INFO"), of: name, group: number)
        let flags = StructureBytes(information).integer(at: 4, as: UInt32.self) ?? 0
        guard flags & 2 != 0 else {
            throw VFIOError(.api("the kernel describes the device, but not as a PCI function"), of: name, group: number)
        }
        var record = DeviceRecord(canReset: flags & 1 != 0)
        var offsets: [DeviceRecord.RegionNumber: UInt64] = [:]
        for region in DeviceRecord.RegionNumber.allCases where region != .vga {
            let bytes = try vfio(
                try descriptor.information(
                    CVFIO_REGION, least: RegionInfo.size, index: region.rawValue, "VFIO_DEVICE_GET_REGION_INFO"),
                of: name, group: number)
            guard !bytes.isEmpty else { continue }
            do throws(DeviceInfoError) {
                let info = try RegionInfo(bytes, of: region)
                guard info.region.size > 0 else { continue }
                record.regions[region] = info.region
                offsets[region] = info.offset
            } catch {
                throw VFIOError(.information(error), of: name, group: number)
            }
        }
        for kind in DeviceRecord.InterruptKind.allCases {
            let bytes = try vfio(
                try descriptor.information(
                    CVFIO_INTERRUPTS, least: 16, index: kind.rawValue, "VFIO_DEVICE_GET_IRQ_INFO"),
                of: name, group: number)
            let structure = StructureBytes(bytes)
            guard let count = structure.integer(at: 12, as: UInt32.self), count > 0 else { continue }
            record.interrupts[kind] = DeviceRecord.Interrupts(
                count: count, traits: .init(rawValue: structure.integer(at: 4, as: UInt32.self) ?? 0))
        }
        if let size = record.regions[.configuration]?.size, let place = offsets[.configuration] {
            record.configuration = try vfio(
                try descriptor.read(Int(min(size, 4096)), at: place), of: name, group: number)
        }
        self.name = name
        self.record = record
        self.offsets = offsets
        self.descriptor = descriptor
    }

    /// Returns the record of a function of the host. Opens the function for that, and closes it again.
    public static func record(of name: String) throws(VFIOError) -> DeviceRecord {
        let host = HostFunctions()
        let function = try host.assignable(name)
        let container = try Container()
        let group = try Group(of: function, among: host, in: container, isFirst: true)
        return try VFIODevice(name, of: group).record
    }

    // MARK: Regions

    /// Reads bytes of a region.
    public func read(
        _ region: DeviceRecord.RegionNumber, at offset: UInt64, count: Int
    ) throws(HostError) -> [UInt8] {
        try descriptor.read(count, at: try place(region, offset, count))
    }

    /// Writes bytes to a region.
    public func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64) throws(HostError) {
        try descriptor.write(bytes, at: try place(region, offset, bytes.count))
    }

    /// Returns the offset in the device's file of `count` bytes in a region, or throws if they are not all in the region.
    private func place(
        _ region: DeviceRecord.RegionNumber, _ offset: UInt64, _ count: Int
    ) throws(HostError) -> UInt64 {
        guard let first = offsets[region], let size = record.regions[region]?.size, offset < size,
            UInt64(count) <= size - offset
        else {
            throw HostError(
                call: "access", subject: "\(count) bytes at \(offset) of region \(region)", errno: .invalidArgument)
        }
        return first + offset
    }

    /// Opens a part of a region for guests. The monitor itself never loads from this memory, because its pages go away whenever
    /// decode is off.
    public func memory(_ region: DeviceRecord.RegionNumber, _ area: Range<UInt64>) throws(HostError) -> ForeignMemory {
        let first = try place(region, area.lowerBound, 0)
        return try ForeignMemory(
            descriptor, name: "\(name), region \(region)", offset: first, size: area.upperBound - area.lowerBound)
    }

    /// Sets the power state, from 0 for D0 to 3 for D3hot. Does nothing if the function has only D0.
    public func setPowerState(_ state: UInt8) throws(HostError) {
        guard let register = record.powerRegister else { return }
        try write([state], .configuration, at: register)
        // The kernel's write succeeds even if the function does not follow.
        guard state == 0, try read(.configuration, at: register, count: 1)[0] & 3 != 0 else { return }
        throw HostError(call: "pwrite", subject: "the power state of \(name), which does not wake", errno: .ioError)
    }

    /// Resets the function. The kernel first wakes the function if it sleeps, and restores its configuration space and interrupts
    /// after the reset.
    public func reset() throws(HostError) {
        try check(cvfio_reset(descriptor.number), "VFIO_DEVICE_RESET", name)
    }

    // MARK: Interrupts

    /// Gives eventfds to the interrupts of a kind, from the number `first` on. An interrupt whose event is nil gets none. If the
    /// list of events is empty, the whole kind is taken down: none of its interrupts has an eventfd any more.
    ///
    /// Only one of INTx, MSI and MSI-X can have eventfds at a time.
    ///
    /// - Returns: The number of the events. If the host grants fewer interrupts, none of them has got its eventfd, and the result
    ///   is the number of interrupts that the host can grant.
    @discardableResult
    public func setInterrupts(
        _ kind: DeviceRecord.InterruptKind, from first: Int = 0, _ events: [SharedDescriptor?]
    ) throws(HostError) -> Int {
        try descriptor.setInterrupts(CVFIO_TRIGGER, kind: kind.rawValue, from: first, events: events)
    }

    /// Lets an eventfd unmask INTx, which masks itself whenever it occurs.
    public func setUnmasking(_ event: SharedDescriptor) throws(HostError) {
        try descriptor.setInterrupts(
            CVFIO_UNMASK, kind: DeviceRecord.InterruptKind.intx.rawValue, events: [event])
    }
}
