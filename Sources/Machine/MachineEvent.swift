internal import Host

/// Something that happened to a machine while its guest ran.
public enum MachineEvent: Sendable {
    /// The guest began a phase, by a byte to port 0xe0. Each phase counts once.
    case phase(PhaseMark)
    /// A change of what a function decodes was refused.
    case refused(Refusal)
    /// A function ended because its device was lost.
    case lost(FunctionLoss)
    /// So many events were dropped here because nobody took them.
    case dropped(Int)
    /// The run ended. This is the last event.
    case ended(Outcome)
}

/// The events that nobody has been told of yet.
///
/// Threads of vCPUs add to it while they hold locks. The thread in `GuestMachine.run` tells the handler, without any lock.
struct EventQueue: Sendable {
    /// Is told of events. It is a structure because Swift wraps a bare function anew whenever a generic lock lends it.
    struct Handler: Sendable {
        let call: @Sendable (MachineEvent) -> Void
    }

    private(set) var handlers: [Handler] = []
    private var events: [MachineEvent] = []
    private var dropped = 0

    /// The events that are kept at most, because a guest can cause them faster than a handler takes them.
    private static let limit = 4096

    mutating func add(_ handler: Handler) { handlers.append(handler) }

    /// Adds an event. Returns whether somebody is to be woken for it.
    mutating func append(_ event: MachineEvent) -> Bool {
        guard !handlers.isEmpty else { return false }
        if events.count < Self.limit { events.append(event) } else { dropped += 1 }
        return events.count == 1
    }

    /// Takes the events, and those whom they are for.
    mutating func take() -> (handlers: [Handler], events: [MachineEvent])? {
        guard !events.isEmpty else { return nil }
        defer { (events, dropped) = ([], 0) }
        return (handlers, events + (dropped > 0 ? [.dropped(dropped)] : []))
    }
}

extension GuestMachine {
    /// Has `handler` told of what happens to the machine from now on. Several handlers are told one after the other.
    ///
    /// It is called by the thread that is in `run`, holds no lock, and may call the machine's methods. While it does not return, the time
    /// limit of the run and its signals are not looked at.
    public func onEvent(_ handler: @escaping @Sendable (MachineEvent) -> Void) {
        news.withLock { $0.add(EventQueue.Handler(call: handler)) }
    }

    /// Adds an event for the handlers. It can be called under any lock but a leaf lock.
    func note(_ event: MachineEvent) {
        if news.withLock({ $0.append(event) }) { events.post() }
    }

    /// Tells the handlers of the events so far. The caller holds no lock.
    func tellEvents() {
        while let (handlers, events) = news.withLock({ $0.take() }) {
            for event in events { handlers.forEach { $0.call(event) } }
        }
    }
}
