/// The reason why a transaction did not take place.
public struct TransactionError: Error, Hashable, Sendable {
    /// The reason why a step failed.
    public enum Cause: Error, Hashable, Sendable {
        /// An edit breaks a rule. KVM was not asked.
        case rule(SlotViolation)
        /// The kernel or an observer refused a step that breaks no rule known here.
        case kernel(SlotErrno)
    }

    /// A step that could not be undone.
    public struct Stuck: Hashable, Sendable {
        /// What differs from the state before the transaction.
        public let what: String
        /// The errno with which undoing the step failed.
        public let errno: SlotErrno
    }

    /// The step that failed.
    public let step: TransactionStep
    /// The number of steps that had been applied before the one that failed.
    public let number: Int
    /// The number of steps in the transaction.
    public let count: Int
    /// The reason why the step failed.
    public let cause: Cause
    /// The steps that could not be undone. If there are none, slots, windows and events are as they were before.
    public let stuck: [Stuck]
    /// The observers that could not take back what they had done.
    public let lost: [ObserverID]
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        var end =
            stuck.isEmpty
            ? "the steps before it were undone"
            : "this could not be restored: "
                + stuck.map { "\($0.what) (\($0.errno))" }.joined(separator: "; ")
        if !lost.isEmpty { end += "; observers that could not take back what they had applied: \(lost.count)" }
        return "step \(number + 1) of \(count), \(step): \(causeDescription); \(end)"
    }

    private var causeDescription: String {
        switch (cause, step) {
        case (.rule(let violation), _): "\(violation)"
        case (.kernel(let errno), .place), (.kernel(let errno), .clear):
            "mmap failed with \(errno); perhaps vm.max_map_count is reached"
        case (.kernel(let errno), .observer): "the observer refused with \(errno)"
        case (.kernel(let errno), .event): "KVM_IOEVENTFD failed with \(errno)"
        case (.kernel(let errno), _):
            "KVM refused with \(errno), although the request breaks no known rule; KVM may have slots of its own there, or be "
                + "out of memory"
        }
    }
}
