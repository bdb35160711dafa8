internal import Host
internal import Memslots
internal import PCI
internal import SystemPackage
internal import VFIO

/// A function of the host that is assigned to the guest.
final class VFIOFunction: AssignedDevice {
    /// The open function, or nil once it has been given back. A thread that still uses it keeps it open.
    private let device: Lock<VFIODevice?>
    let record: DeviceRecord
    private let group: Int
    private let container: VFIOContainer
    /// Whether the device goes on decoding memory while the guest has decode off, because its slots stay (lazy decode).
    private let keepsDecode: Bool
    /// The value of the device's own command register, if it is known.
    private let command = Lock<UInt16?>(nil)
    /// The eventfds that the kernel has for each kind of interrupts.
    private let vectors = Lock<[DeviceRecord.InterruptKind: VectorEvents]>([:])
    private let watch: LossWatch

    init(
        _ name: String, of group: Group, in container: VFIOContainer, keepsDecode: Bool
    ) throws(MachineError) {
        let device = try vfio(try VFIODevice(name, of: group))
        let kinds: [(DeviceRecord.InterruptKind, String)] = [
            (.error, "the device reported an error from which it cannot recover"), (.request, "the host wants it back"),
        ]
        var reasons: [(event: SharedDescriptor, text: String)] = []
        for (kind, text) in kinds where device.record.interrupts[kind] != nil {
            let event = try host(try SharedDescriptor(eventFor: text))
            _ = try host(try device.setInterrupts(kind, [event]))
            reasons.append((event, text))
        }
        let stop = try host(try SharedDescriptor(eventFor: "the end of a watch"))
        watch = LossWatch(reasons: reasons, stop: stop)
        self.container = container
        self.keepsDecode = keepsDecode
        record = device.record
        self.group = group.number
        self.device = Lock(device)
    }

    deinit { watch.stop.post() }

    private var open: VFIODevice? { device.withLock { $0 } }

    var writeEvents: [(event: FunctionEvent, descriptor: SharedDescriptor)] { [] }

    func read(_ region: DeviceRecord.RegionNumber, at offset: UInt64, count: Int) -> [UInt8]? {
        try? open?.read(region, at: offset, count: count)
    }

    func write(_ bytes: [UInt8], _ region: DeviceRecord.RegionNumber, at offset: UInt64) {
        try? open?.write(bytes, region, at: offset)
    }

    func openMemory(of region: DeviceRecord.RegionNumber, _ part: Range<UInt64>) throws(HostError) -> ForeignMemory {
        guard let open else { throw HostError(call: "mmap", subject: "region \(region)", errno: .badFileDescriptor) }
        return try open.memory(region, part)
    }

    func makeObserver(of ram: SharedRAM) -> any MemoryObserver { VFIOMemory(container) }

    func setCommand(_ command: UInt16) {
        let memory: UInt16 = 2
        let command = keepsDecode ? command | memory : command
        let bytes = [command, command >> 8].map { UInt8(truncatingIfNeeded: $0) }
        ask { device throws(HostError) in
            try self.command.withLock { known throws(HostError) in
                guard known != command else { return }
                try device.write(bytes, .configuration, at: 4)
                known = command
            }
        }
    }

    func setPowerState(_ state: UInt8) {
        // A function whose slots stay remains in D0.
        if !keepsDecode { ask { device throws(HostError) in try device.setPowerState(state) } }
    }

    func reset() {
        if record.canReset { ask { device throws(HostError) in try device.reset() } }
    }

    /// Makes a call to the kernel. If it fails, the function is lost, because it cannot go on without the call.
    private func ask(_ body: (VFIODevice) throws(HostError) -> Void) {
        do { if let open { try body(open) } } catch { watch.lose("\(error)") }
    }

    func release() {
        let wasOpen = device.withLock { device in
            defer { device = nil }
            return device != nil
        }
        if wasOpen { container.releaseFunction(of: group) }
    }

    func setInterrupts(
        _ kind: DeviceRecord.InterruptKind, _ events: [SharedDescriptor?], resample: SharedDescriptor?
    ) -> Int? {
        let count = kind == .msix ? Int(record.interrupts[kind]?.count ?? 0) : events.count
        var granted: Int?
        ask { device throws(HostError) in
            granted = try vectors.withLock { (vectors) throws(HostError) -> Int? in
                try vectors[kind, default: VectorEvents()].change(to: events, count: count) {
                    (first, events) throws(HostError) in try device.setInterrupts(kind, from: first, events)
                }
                return vectors[kind]?.granted
            }
            if let resample { try device.setUnmasking(resample) }
        }
        return granted
    }

    func onLoss(_ handler: @escaping @Sendable (_ reason: String) -> Void) -> String? {
        do {
            try HostThread(name: "vfio") { [watch] in if let reason = watch.wait() { handler(reason) } }.detach()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Returns the reason if the device is lost. No page of a BAR is checked, because the kernel takes pages away only while the
    /// device's decode is off. If decode should have come on and has not, the device is lost.
    func checkMemory() -> String? { watch.reason }
}

/// A watch for the loss of a function of the host, which can be lost in several ways. A thread waits for the first.
private final class LossWatch: Sendable {
    private let reasons: [(event: SharedDescriptor, text: String)]
    let stop: SharedDescriptor
    private let loss = Lock<String?>(nil)

    init(reasons: [(event: SharedDescriptor, text: String)], stop: SharedDescriptor) {
        (self.reasons, self.stop) = (reasons, stop)
    }

    /// The reason of the loss, if `lose` was called with one.
    var reason: String? { loss.withLock { $0 } }

    /// Notes a reason of the loss, unless there is one already, and wakes the waiting thread.
    func lose(_ reason: String) {
        loss.withLock { $0 = $0 ?? reason }
        stop.post()
    }

    /// Waits for the first loss. Returns its reason, or nil if nobody wants to hear of it any more.
    func wait() -> String? {
        let index = SharedDescriptor.waitForFirst(of: [stop] + reasons.map(\.event))
        return index == 0 ? reason : reasons[index - 1].text
    }
}
