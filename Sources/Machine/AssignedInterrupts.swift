internal import Host
internal import KVM
internal import PCI

extension OwnedVM {
    /// Changes the routes, and tells KVM. If it throws, nothing has changed.
    func changeRoutes<Result>(_ body: (inout InterruptRoutes) -> Result) throws(MachineError) -> Result {
        try routes.withLock { (routes) throws(MachineError) in
            var changed = routes
            let result = body(&changed)
            try kvm(try setRoutes(changed))
            routes = changed
            return result
        }
    }

    /// Removes the routes of messages that no eventfd sends any more. If KVM refuses, it keeps these routes until the next change.
    func removeRoutes(_ numbers: [UInt32]) {
        routes.withLock { routes in
            numbers.forEach { routes.remove($0) }
            try? setRoutes(routes)
        }
    }

    /// Adds a function to those that assert a line, or removes it from them. A line is up as long as at least one function asserts it.
    func changeLine(_ line: UInt32, isRaised: Bool) throws(MachineError) {
        try lineCounts.withLock { (counts) throws(MachineError) in
            counts[Int(line)] += isRaised ? 1 : -1
            if counts[Int(line)] == (isRaised ? 1 : 0) { try kvm(try vm.setInterruptLine(line, isRaised: isRaised)) }
        }
    }
}

/// The interrupts of an assigned device. The device signals eventfds, and KVM raises an interrupt for each signal without an exit.
///
/// The device gets the eventfd of a vector when the vector is first opened, and keeps it. KVM has the eventfd while the vector
/// is open. A signal while the vector is closed is pending.
final class AssignedInterrupts: Sendable {
    private struct Vector: Sendable {
        let event: SharedDescriptor
        /// The number of the interrupt (GSI) that the eventfd raises, while KVM has the eventfd.
        var number: UInt32?
        /// The message of that interrupt.
        var message: MSIMessage?
    }

    private struct State: Sendable {
        var kind: DeviceRecord.InterruptKind?
        var vectors: [Int: Vector] = [:]
        /// The eventfds for the interrupt line and for the end of its interrupt.
        var line: (event: SharedDescriptor, resample: SharedDescriptor)?
        var hasEnded = false
    }

    private let owned: OwnedVM
    private let device: any AssignedDevice
    /// The number of the interrupt line (GSI) of the function.
    private let lineNumber: UInt32
    private let state = Lock(State())

    init(_ device: any AssignedDevice, line: UInt32, _ owned: OwnedVM) {
        (self.device, self.owned, lineNumber) = (device, owned, line)
    }

    /// Changes the device's interrupts to those that the function wants. The caller holds the function's lock.
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
                if kind == .intx { try setUpLine(&state) }
                // Some devices look whether they have MSI-X before software opens the first vector, when a driver starts them
                // for example. So MSI-X begins with one vector without an eventfd.
                if kind == .msix { device.setInterrupts(.msix, [nil], resample: nil) }
            }
            guard let kind, kind != .intx else { return }
            let most = Int(device.record.interrupts[kind]?.count ?? 0)
            try change(&state, to: open.filter { $0.key < most }, kind)
        }
    }

    /// Gives KVM and the device the eventfds of the interrupt line.
    private func setUpLine(_ state: inout State) throws(MachineError) {
        let (event, resample) = (try newEvent("an interrupt line"), try newEvent("the end of an interrupt"))
        try kvm(try owned.setInterruptEvent(event, number: lineNumber, resample: resample, isTaken: true))
        state.line = (event, resample)
        device.setInterrupts(.intx, [event], resample: resample)
    }

    private func newEvent(_ name: String) throws(MachineError) -> SharedDescriptor {
        try host(try SharedDescriptor(eventFor: name))
    }

    /// Closes the vectors that are not in `open`, and opens the others. A vector that cannot be opened stays closed.
    ///
    /// - Throws: A refusal by KVM or the host, or an error if not all vectors could be opened.
    private func change(
        _ state: inout State, to open: [Int: MSIMessage], _ kind: DeviceRecord.InterruptKind
    ) throws(MachineError) {
        let closed = state.vectors.filter { $0.value.number != nil && open[$0.key] == nil }
        for (vector, known) in closed {
            guard let number = known.number else { continue }
            try kvm(try owned.setInterruptEvent(known.event, number: number, isTaken: false))
            state.vectors[vector] = Vector(event: known.event)
            owned.removeRoutes([number])
        }
        let changed = open.filter { state.vectors[$0.key]?.message != $0.value }.sorted { $0.key < $1.key }
        guard !closed.isEmpty || !changed.isEmpty else { return }
        for (vector, _) in changed where state.vectors[vector] == nil {
            state.vectors[vector] = Vector(event: try newEvent("vector \(vector)"))
        }
        let vectors = state.vectors
        let numbers = try owned.changeRoutes { routes -> [UInt32?] in
            changed.map { vector, message in
                let number = vectors[vector]?.number ?? routes.freeNumber
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
                owned.removeRoutes([number])
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

    /// Takes all eventfds back from KVM, and removes their routes.
    private func takeDown(_ state: inout State) {
        if let (event, resample) = state.line {
            try? owned.setInterruptEvent(event, number: lineNumber, resample: resample, isTaken: false)
        }
        let taken = state.vectors.values.compactMap { vector in vector.number.map { (vector.event, $0) } }
        for (event, number) in taken { try? owned.setInterruptEvent(event, number: number, isTaken: false) }
        if !taken.isEmpty { owned.removeRoutes(taken.map(\.1)) }
    }

    /// Returns the closed vectors that the device has signalled since the last call.
    func takePending() -> [Int] {
        state.withLock { state in
            state.vectors.filter { $0.value.number == nil && $0.value.event.take() > 0 }.keys.sorted()
        }
    }

    /// The number of eventfds by which KVM raises interrupts.
    var takenCount: Int {
        state.withLock { state in state.vectors.values.count { $0.number != nil } + (state.line == nil ? 0 : 1) }
    }

    /// Ends the interrupts for good, because the function has ended.
    func end() {
        state.withLock { state in
            takeDown(&state)
            state = State(hasEnded: true)
        }
    }
}
