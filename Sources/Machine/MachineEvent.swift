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

    /// The largest number of events that are kept, because a guest can cause them faster than a handler takes them.
    private static let limit = 4096

    mutating func add(_ handler: Handler) { handlers.append(handler) }

    /// Adds an event if there is a handler. Returns whether the thread that tells the handlers must be woken.
    mutating func append(_ event: MachineEvent) -> Bool {
        guard !handlers.isEmpty else { return false }
        if events.count < Self.limit { events.append(event) } else { dropped += 1 }
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
    /// Adds a handler that is told of what happens to the machine from now on. Several handlers are told one after the other.
    ///
    /// The thread that is in `run` calls the handler. It holds no lock, so the handler may call the machine's methods. As long
    /// as a handler does not return, nobody looks at the time limit of the run and at signals.
    public func onEvent(_ handler: @escaping @Sendable (MachineEvent) -> Void) {
        news.withLock { $0.add(EventQueue.Handler(call: handler)) }
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
