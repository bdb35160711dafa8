/// A transaction that did not take place.
public struct TransactionError: Error, Hashable, Sendable {
    public enum Cause: Error, Hashable, Sendable {
        /// An edit breaks a rule; KVM was not asked.
        case rule(SlotViolation)
        /// The kernel, or an observer, refused a step that breaks no rule known here.
        case kernel(SlotErrno)
    }

    /// A step that could not be undone.
    public struct Stuck: Hashable, Sendable {
        /// What is so now, and should not be.
        public let what: String
        public let errno: SlotErrno
    }

    public let step: TransactionStep
    /// Steps that had been applied before the one that failed, out of `count`.
    public let number: Int
    public let count: Int
    public let cause: Cause
    /// Empty where slots, windows and events are as they were before.
    public let stuck: [Stuck]
    /// Observers that could not take back what they had applied.
    public let lost: [ObserverID]
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        var end =
            stuck.isEmpty
            ? "the steps before it were undone"
            : "KVM now holds something else than before: "
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
            "the kernel refused with \(errno), though no rule known here is broken; on some processors KVM keeps slots of "
                + "its own, and its memory may have run out"
        }
    }
}
