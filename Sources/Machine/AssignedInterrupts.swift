internal import Host
internal import KVM
internal import PCI
internal import SystemPackage

/// Refuses one of the calls for interrupts in KVM's place, and counts them; it refuses none unless a test says so.
final class InterruptFaults: Sendable {
    private let state = Lock((next: 0, refused: Int?.none))

    /// Begins to count anew, and refuses the call with this number, counted from 0. Returns the count of the calls until now.
    @discardableResult
    func refuse(_ call: Int?) -> Int {
        state.withLock { state in
            defer { state = (0, call) }
            return state.next
        }
    }

    func next(_ request: String) throws(KVMError) {
        let isRefused = state.withLock { state in
            defer { state.next += 1 }
            return state.next == state.refused
        }
        if isRefused { throw KVMError(request: request, errno: .noMemory) }
    }
}

/// The routes of all messages that devices send by eventfds.
final class RouteTable: Sendable {
    private let owned: OwnedVM
    private let routes = Lock(InterruptRoutes())

    init(_ owned: OwnedVM) { self.owned = owned }

    /// Changes routes, and tells KVM. If it throws, nothing has changed.
    func change<Result>(_ body: (inout InterruptRoutes) -> Result) throws(MachineError) -> Result {
        try routes.withLock { (routes) throws(MachineError) in
            var changed = routes
            let result = body(&changed)
            try kvm(try owned.setRoutes(changed))
            routes = changed
            return result
        }
    }

    /// Forgets messages that no eventfd sends any more. If KVM keeps their routes, it gives them up with the next change.
    func remove(_ numbers: [UInt32]) {
        routes.withLock { routes in
            numbers.forEach { routes.remove($0) }
            try? owned.setRoutes(routes)
        }
    }

    /// The number of messages that have routes.
    var count: Int { routes.withLock { $0.count } }
}

/// The interrupt lines that functions share: a line is up as long as a function asserts it.
final class InterruptLines: Sendable {
    private let owned: OwnedVM
    /// The number of functions that assert each line.
    private let counts = Lock<[UInt32: Int]>([:])

    init(_ owned: OwnedVM) { self.owned = owned }

    /// Takes a function among those that assert a line, or out of them.
    func change(_ line: UInt32, isRaised: Bool) throws(MachineError) {
        try counts.withLock { (counts) throws(MachineError) in
            let count = counts[line, default: 0] + (isRaised ? 1 : -1)
            counts[line] = count
            if count == (isRaised ? 1 : 0) { try kvm(try owned.vm.setInterruptLine(line, isRaised: isRaised)) }
        }
    }
}

/// The interrupts of an assigned device: eventfds that the device signals, and by which KVM raises interrupts without an exit.
///
/// An eventfd is the device's from when its vector is first opened, and KVM's while the vector is open. What the device signals in between
/// is pending.
final class AssignedInterrupts: Sendable {
    private struct Vector: Sendable {
        let event: SharedDescriptor
        /// The number of the interrupt while KVM has the eventfd, and its message.
        var number: UInt32?
        var message: MSIMessage?
    }

    private struct State: Sendable {
        var kind: DeviceRecord.InterruptKind?
        var vectors: [Int: Vector] = [:]
        /// The eventfds of the interrupt line.
        var line: (event: SharedDescriptor, resample: SharedDescriptor)?
        var hasEnded = false
    }

    private let owned: OwnedVM
    private let routes: RouteTable
    private let device: any AssignedDevice
    /// The number of the interrupt that the function's line raises.
    private let lineNumber: UInt32
    private let state = Lock(State())

    init(_ device: any AssignedDevice, line: UInt32, _ owned: OwnedVM, _ routes: RouteTable) {
        (self.device, self.owned, self.routes, lineNumber) = (device, owned, routes, line)
    }

    /// Goes from the interrupts that the function has to those that it is to have. The function's lock is held.
    func follow(_ wanted: InterruptState) throws(MachineError) {
        try state.withLock { (state) throws(MachineError) in
            guard !state.hasEnded else { return }
            let (kind, open): (DeviceRecord.InterruptKind?, [Int: MSIMessage]) =
                switch wanted {
                case .none: (nil, [:])
                case .line: (.intx, [:])
                case .messages(let messages): (.msi, messages)
                case .messagesX(let messages): (.msix, messages)
                }
            if state.kind != kind {
                takeDown(&state)
                if let old = state.kind { device.setInterrupts(old, [], resample: nil) }
                state = State(kind: kind)
                if kind == .intx { try raiseLine(&state) }
                // A device may look whether it has MSI-X before software opens the first vector, when a driver starts it for example.
                if kind == .msix { device.setInterrupts(.msix, [nil], resample: nil) }
            }
            guard let kind, kind != .intx else { return }
            let most = Int(device.record.interrupts[kind]?.count ?? 0)
            try change(&state, to: open.filter { $0.key < most }, kind)
        }
    }

    private func raiseLine(_ state: inout State) throws(MachineError) {
        let (event, resample) = (try newEvent("an interrupt line"), try newEvent("the end of an interrupt"))
        try kvm(try owned.setInterruptEvent(event, number: lineNumber, resample: resample, isTaken: true))
        state.line = (event, resample)
        device.setInterrupts(.intx, [event], resample: resample)
    }

    private func newEvent(_ name: String) throws(MachineError) -> SharedDescriptor {
        try host(try SharedDescriptor(eventFor: name))
    }

    /// Opens and closes vectors. One that cannot be opened stays closed.
    private func change(
        _ state: inout State, to open: [Int: MSIMessage], _ kind: DeviceRecord.InterruptKind
    ) throws(MachineError) {
        let closed = state.vectors.filter { $0.value.number != nil && open[$0.key] == nil }
        for (vector, known) in closed {
            guard let number = known.number else { continue }
            try kvm(try owned.setInterruptEvent(known.event, number: number, isTaken: false))
            state.vectors[vector] = Vector(event: known.event)
            routes.remove([number])
        }
        let changed = open.filter { state.vectors[$0.key]?.message != $0.value }.sorted { $0.key < $1.key }
        guard !closed.isEmpty || !changed.isEmpty else { return }
        for (vector, _) in changed where state.vectors[vector] == nil {
            state.vectors[vector] = Vector(event: try newEvent("vector \(vector)"))
        }
        let vectors = state.vectors
        let numbers = try routes.change { routes -> [UInt32?] in
            changed.map { vector, message in
                let number = vectors[vector]?.number ?? routes.free
                if let number { routes.set(address: message.address, data: message.data, of: number) }
                return number
            }
        }
        var refusal: MachineError?
        for ((vector, message), number) in zip(changed, numbers) {
            guard let number, let known = state.vectors[vector] else { continue }
            do throws(KVMError) {
                if known.number == nil { try owned.setInterruptEvent(known.event, number: number, isTaken: true) }
                state.vectors[vector] = Vector(event: known.event, number: number, message: message)
            } catch {
                routes.remove([number])
                refusal = .kvm(error)
            }
        }
        if let last = state.vectors.keys.max() {
            let granted = device.setInterrupts(kind, (0...last).map { state.vectors[$0]?.event }, resample: nil)
            if let granted, granted <= last { throw .tooFewVectors(asked: last + 1, granted: granted) }
        }
        if let refusal { throw refusal }
        if numbers.contains(nil) { throw .tooManyRoutes }
    }

    /// Takes the eventfds back from KVM.
    private func takeDown(_ state: inout State) {
        if let (event, resample) = state.line {
            try? owned.setInterruptEvent(event, number: lineNumber, resample: resample, isTaken: false)
        }
        let taken = state.vectors.values.compactMap { vector in vector.number.map { (vector.event, $0) } }
        for (event, number) in taken { try? owned.setInterruptEvent(event, number: number, isTaken: false) }
        if !taken.isEmpty { routes.remove(taken.map(\.1)) }
    }

    /// Returns the closed vectors that the device has signalled since this was last called.
    func takePending() -> [Int] {
        state.withLock { state in
            state.vectors.filter { $0.value.number == nil && $0.value.event.take() > 0 }.keys.sorted()
        }
    }

    /// The number of eventfds by which KVM raises interrupts.
    var takenCount: Int {
        state.withLock { state in state.vectors.values.count { $0.number != nil } + (state.line == nil ? 0 : 1) }
    }

    /// Ends the interrupts for good, because the device is lost.
    func end() {
        state.withLock { state in
            takeDown(&state)
            state = State(hasEnded: true)
        }
    }
}
