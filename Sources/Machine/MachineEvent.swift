internal import Host

/// Something that happened to a machine while its guest ran.
public enum MachineEvent: Sendable {
    /// The guest began a phase, by a byte to port 0xe0. Each phase counts once.
    case phase(PhaseMark)
    /// A change of what a function decodes was refused.
    case refused(Refusal)
    /// A function ended because its device was lost.
    case lost(FunctionLoss)
    /// Events were dropped here, because no handler took them in time. This is their number.
    case dropped(Int)
    /// The run ended. This is the last event.
    case ended(Outcome)
}

/// The machine events that handlers have not been told of yet.
///
/// Threads of vCPUs add to the queue while they hold locks. The thread in `GuestMachine.run` tells the handlers, and holds no lock then.
struct EventQueue: Sendable {
    /// A closure that is told of machine events. It is in a structure because Swift wraps a bare closure anew whenever a
    /// generic lock lends it.
    struct Handler: Sendable {
        let call: @Sendable (MachineEvent) -> Void
    }

    private(set) var handlers: [Handler] = []
    private var events: [MachineEvent] = []
    private var dropped = 0
    /// The last event, once the run has ended.
    private var end: MachineEvent?

    /// The largest number of events that are kept, because a guest can cause them faster than a handler takes them.
    private static let limit = 4096

    /// Adds a handler. If the run has ended, and nobody will be told of that any more, returns that event instead.
    mutating func add(_ handler: Handler) -> MachineEvent? {
        if let end, events.isEmpty { return end }
        handlers.append(handler)
        return nil
    }

    /// Adds an event if there is a handler. Returns whether the thread that tells the handlers must be woken. Nothing comes after
    /// the end of the run, and the end itself is never dropped.
    mutating func append(_ event: MachineEvent) -> Bool {
        guard end == nil else { return false }
        if case .ended = event { end = event }
        guard !handlers.isEmpty else { return false }
        if end != nil, dropped > 0 {
            events.append(.dropped(dropped))
            dropped = 0
        }
        if events.count < Self.limit || end != nil { events.append(event) } else { dropped += 1 }
        return events.count == 1
    }

    /// Takes the events, with the handlers that are to be told of them. Returns nil if there are none.
    mutating func take() -> (handlers: [Handler], events: [MachineEvent])? {
        guard !events.isEmpty else { return nil }
        defer { (events, dropped) = ([], 0) }
        return (handlers, events + (dropped > 0 ? [.dropped(dropped)] : []))
    }
}

extension GuestMachine {
    /// Adds a handler that is told of what happens to the machine from now on. Several handlers are told one after the other. If the
    /// run has ended already, the handler is told of that at once.
    ///
    /// The thread that is in `run` calls the handler. It holds no lock, so the handler may call the machine's methods. As long
    /// as a handler does not return, nobody looks at the time limit of the run and at signals.
    public func onEvent(_ handler: @escaping @Sendable (MachineEvent) -> Void) {
        if let end = news.withLock({ $0.add(EventQueue.Handler(call: handler)) }) { handler(end) }
    }

    /// Adds an event for the handlers. It can be called under any lock but a leaf lock.
    func note(_ event: MachineEvent) {
        if news.withLock({ $0.append(event) }) { events.post() }
    }

    /// Tells the handlers of the events until now. The caller holds no lock.
    func tellEvents() {
        while let (handlers, events) = news.withLock({ $0.take() }) {
            for event in events { handlers.forEach { $0.call(event) } }
        }
    }
}
