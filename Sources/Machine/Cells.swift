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

/// An assigned device with its interrupts in a machine.
struct AssignedParts: Sendable {
    let device: any AssignedDevice
    /// The device's interrupts, or nil on a machine without interrupt controllers.
    let interrupts: AssignedInterrupts?
}

/// The memory and the eventfds that a machine has for one function alone.
struct FunctionResources: Sendable {
    /// The places in backings, with their sizes in bytes.
    var memory: [Backing: UInt64] = [:]
    /// The numbers of the eventfds (`FunctionEvent.descriptor`).
    var events: [Int] = []
}

/// The memory that the mapped pieces of a function show.
struct FunctionMemory: Sendable {
    let shape: FunctionShape
    /// The memory of each piece, by memory register in the order of the shape, and by piece. It is nil for a trapped piece, and
    /// for a mapped one before its memory is allocated.
    private(set) var backings: [[Backing?]]

    /// Takes over the memory that a model gives to its mapped pieces.
    init(of model: any FunctionModel, _ shape: FunctionShape) {
        self.shape = shape
        backings = shape.memory.map { memory in
            memory.pieces.map { $0.kind == .mapped ? model.backing(of: $0, in: memory.register) : nil }
        }
    }

    /// Returns whether mapped pieces of a register have no memory yet.
    func needsMemory(_ register: Int) -> Bool {
        zip(shape.memory[register].pieces, backings[register]).contains { $0.kind == .mapped && $1 == nil }
    }

    /// Gives memory to those mapped pieces of a register that have none yet.
    mutating func show(_ memory: Backing, in register: Int) {
        for (index, piece) in shape.memory[register].pieces.enumerated()
        where piece.kind == .mapped && backings[register][index] == nil {
            backings[register][index] = Backing(id: memory.id, offset: memory.offset + piece.offsets.lowerBound)
        }
    }

    /// Returns the mapping of a region, or nil if the region is trapped.
    func mapping(of region: DecodedRegion) -> Mapping? {
        guard region.kind == .mapped,
            let register = shape.memory.firstIndex(where: { $0.register == region.owner.register }),
            let backing = backings[register][region.piece]
        else { return nil }
        return Mapping(
            range: region.range, backing: backing, access: region.access, owner: region.owner.mappingOwner)
    }
}

/// A PCI function behind a lock of its own.
final class FunctionCell: Sendable {
    let address: FunctionAddress
    let memory: FunctionMemory
    var shape: FunctionShape { memory.shape }
    /// The memory and the eventfds that the machine has for this function alone.
    let resources: FunctionResources
    /// The slot behind this function, if the function is a port that takes functions while the guest runs.
    let slot: PortSlot?
    private let function: Lock<PCIFunction>
    /// The device behind the function, until the function has left the machine.
    let assigned = Lock<AssignedParts?>(nil)
    /// Whether the end of the function has been handled: the function was removed, or its loss was reported.
    let hasLeft = Atomic(false)
    /// Whether the function is lost, so that it answers nobody any more.
    let isLost = Atomic(false)
    private let hasEvents = Atomic(false)
    /// The events of the function that KVM takes, with their counters. Only the holder of the machine lock changes them.
    private let events = Lock<[FunctionEvent: SharedDescriptor]>([:])
    /// The counts of events that KVM takes no longer, until the function is told of them.
    private let untoldCounts = Lock<[FunctionEvent: UInt64]>([:])

    init(_ function: PCIFunction, _ memory: FunctionMemory, _ resources: FunctionResources) {
        address = function.address
        self.resources = resources
        self.memory = memory
        slot = function.description.bridge.flatMap { bridge in
            bridge.hasSlot ? PortSlot(bridge.slot(segment: function.address.segment)) : nil
        }
        self.function = Lock(function)
    }

    /// Calls `body` with the function under its lock, after the function was told of all events that KVM has counted until now.
    ///
    /// - Returns: The result of `body`, or nil without a call if the function is lost.
    func withFunction<Result, Failure: Error>(
        _ body: (inout PCIFunction) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard !isLost.load(ordering: .acquiring) else { return nil }
        return try function.withLock { (function: inout PCIFunction) throws(Failure) -> Result? in
            // The function may have been lost while this thread waited for its lock.
            guard !isLost.load(ordering: .acquiring) else { return nil }
            if hasEvents.load(ordering: .acquiring) { collectEvents(into: &function) }
            return try body(&function)
        }
    }

    /// Tells the function of the events that KVM has counted.
    private func collectEvents(into function: inout PCIFunction) {
        for (event, counter) in events.withLock({ $0 }) {
            let count = counter.take()
            if count > 0 { function.add(count: count, of: event) }
        }
        var counts: [FunctionEvent: UInt64] = [:]
        untoldCounts.withLock { swap(&counts, &$0) }
        for (event, count) in counts { function.add(count: count, of: event) }
    }

    /// Sets the events that KVM takes from now on. The caller holds the machine lock.
    func setEvents(_ new: [FunctionEvent: SharedDescriptor]) {
        events.withLock { events in
            for (event, counter) in events where new[event] !== counter {
                let count = counter.take()
                if count > 0 { untoldCounts.withLock { $0[event, default: 0] &+= count } }
            }
            events = new
        }
        hasEvents.store(true, ordering: .releasing)
    }

    /// The device behind the function, or nil if there is none.
    var device: (any AssignedDevice)? { assigned.withLock { $0?.device } }

    /// The interrupts of the device, or nil if there are none.
    var interrupts: AssignedInterrupts? { assigned.withLock { $0?.interrupts } }

    /// Releases the device and the model of a lost function, and waits until no thread is in them any more. The caller holds no lock.
    ///
    /// - Returns: The number of the interrupt line that the function has asserted until now, or nil.
    func end() -> UInt32? {
        device?.reset()
        // A thread that waits for the device holds the locks of the function and of its interrupts, so the device is released first.
        device?.release()
        interrupts?.end()
        assigned.withLock { $0 = nil }
        return function.withLock { function in
            defer { function.isLineRaised = false }
            function.forgetModel()
            return function.isLineRaised ? function.lineNumber : nil
        }
    }
}
