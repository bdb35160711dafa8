internal import Devices
internal import Host
internal import KVM
internal import Memslots
internal import PCI
internal import Synchronization

/// A device of the board behind a lock of its own.
final class DeviceCell: Sendable {
    let device: Lock<any Device>

    init(_ device: any Device) {
        self.device = Lock(device)
    }
}

/// What an assigned device has in a machine.
struct AssignedParts: Sendable {
    let device: any AssignedDevice
    /// Nil on a machine without interrupt controllers.
    let interrupts: AssignedInterrupts?
}

/// What a machine has for one function alone.
struct FunctionResources: Sendable {
    /// The parts of backings, by their sizes in bytes.
    var memory: [Backing: UInt64] = [:]
    /// The numbers of eventfds.
    var events: [Int] = []
}

/// A PCI function behind a lock of its own.
final class FunctionCell: Sendable {
    let address: FunctionAddress
    let shape: FunctionShape
    /// The memory of each piece: by memory register in the order of the shape, and by piece. It is nil for a trapped piece.
    let backings: [[Backing?]]
    /// The memory and the eventfds that the machine has for this function alone.
    let resources: FunctionResources
    /// The slot of a port that takes functions while the guest runs.
    let slot: PortSlot?
    private let function: Lock<PCIFunction>
    /// The device behind the function, until the function has left the machine.
    let assigned = Lock<AssignedParts?>(nil)
    /// Whether somebody has seen to the function's end.
    let hasLeft = Atomic(false)
    /// Whether the function has lost what stands behind it, so that it answers nobody any more.
    let isLost = Atomic(false)
    private let hasEvents = Atomic(false)
    /// The writes to the function that KVM takes. Only the holder of the machine lock changes it.
    private let events = Lock<[FunctionEvent: CountedEvent]>([:])
    /// The counts of writes that KVM takes no longer, until the function hears of them.
    private let rest = Lock<[FunctionEvent: UInt64]>([:])

    init(_ function: PCIFunction, shape: FunctionShape, backings: [[Backing?]], resources: FunctionResources) {
        address = function.address
        self.resources = resources
        self.shape = shape
        self.backings = backings
        slot = function.description.bridge.flatMap { bridge in
            bridge.hasSlot ? PortSlot(bridge.slot(segment: function.address.segment)) : nil
        }
        self.function = Lock(function)
    }

    /// Calls `body` with the function under its lock. The function has been told of all writes that KVM has taken until now. Returns nil
    /// and calls nothing if the function is lost.
    func withFunction<Result, Failure: Error>(
        _ body: (inout PCIFunction) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard !isLost.load(ordering: .acquiring) else { return nil }
        return try function.withLock { (function: inout PCIFunction) throws(Failure) -> Result? in
            // It may have been lost while this thread waited.
            guard !isLost.load(ordering: .acquiring) else { return nil }
            if hasEvents.load(ordering: .acquiring) { collectEvents(into: &function) }
            return try body(&function)
        }
    }

    /// Tells the function of the writes that KVM has counted.
    private func collectEvents(into function: inout PCIFunction) {
        for (event, counted) in events.withLock({ $0 }) {
            let count = counted.counter.take()
            if count > 0 { function.add(count: count, of: event) }
        }
        var counts: [FunctionEvent: UInt64] = [:]
        rest.withLock { swap(&counts, &$0) }
        for (event, count) in counts { function.add(count: count, of: event) }
    }

    /// Sets the writes that KVM takes from now on. The caller holds the machine lock.
    func setEvents(_ new: [FunctionEvent: CountedEvent]) {
        events.withLock { events in
            for (event, counted) in events where new[event] !== counted {
                let count = counted.counter.take()
                if count > 0 { rest.withLock { $0[event, default: 0] &+= count } }
            }
            events = new
        }
        hasEvents.store(true, ordering: .releasing)
    }

    /// The device behind the function.
    var device: (any AssignedDevice)? { assigned.withLock { $0?.device } }

    /// The interrupts of the device.
    var interrupts: AssignedInterrupts? { assigned.withLock { $0?.interrupts } }

    /// Lets go of the model and the device of a lost function, once nobody is in them any more. The caller holds no lock.
    ///
    /// - Returns: The interrupt line that the function holds up, and does so no longer.
    func end() -> UInt32? {
        device?.reset()
        // Who waits for the device holds locks of the function and of its interrupts.
        device?.release()
        interrupts?.end()
        assigned.withLock { $0 = nil }
        return function.withLock { function in
            defer { function.isLineRaised = false }
            function.forgetModel()
            return function.isLineRaised ? function.lineNumber : nil
        }
    }

    /// Returns the mapping of a region, or nil if the region is trapped.
    func mapping(of region: DecodedRegion) -> Mapping? {
        Self.mapping(of: region, shape: shape, backings: backings)
    }

    static func mapping(of region: DecodedRegion, shape: FunctionShape, backings: [[Backing?]]) -> Mapping? {
        guard region.kind == .mapped,
            let register = shape.memory.firstIndex(where: { $0.register == region.owner.register }),
            let backing = backings[register][region.piece]
        else { return nil }
        return Mapping(
            range: region.range, backing: backing, access: region.access, owner: region.owner.mappingOwner)
    }
}
