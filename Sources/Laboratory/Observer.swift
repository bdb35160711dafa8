/// Watches an experiment: it is told about ten times a second how far the experiment is, and may end it early.
public struct Observer {
    /// How far an experiment is.
    public struct Progress: Sendable {
        /// The name of the phase, such as `adding slots`.
        public let phase: String
        public let done: Int
        /// The number of operations in the phase; nil where time alone ends it.
        public let total: Int?
        /// The time since the phase began, and the time that it may take in all.
        public let elapsed: Duration
        public let limit: Duration?
    }

    private let tell: (Progress) -> Bool
    private var phase = ""
    private var total: Int?
    private var limit: Duration?
    private var start = SuspendingClock.now
    private var next = SuspendingClock.now
    /// Whether the time for the phase is over.
    private var isOver = false
    /// Whether the experiment was told to end early.
    public private(set) var hasInterrupted = false

    private static let interval = Duration.milliseconds(100)

    /// Makes an observer that calls `tell` about ten times a second. The answer says whether to go on.
    public init(_ tell: @escaping (Progress) -> Bool) {
        self.tell = tell
    }

    /// An observer that never ends an experiment.
    public static var none: Observer {
        Observer { _ in true }
    }

    mutating func begin(_ phase: String, total: Int? = nil, limit: Duration? = nil) {
        self.phase = phase
        self.total = total
        self.limit = limit
        start = .now
        next = start
        isOver = false
    }

    /// Tells how many operations are `done`. The answer says whether to go on: there is time left, and no interruption.
    mutating func goesOn(_ done: Int) -> Bool {
        let now = SuspendingClock.now
        guard !hasInterrupted, !isOver else { return false }
        guard now >= next else { return true }
        next = now + Self.interval
        let elapsed = now - start
        hasInterrupted = !tell(Progress(phase: phase, done: done, total: total, elapsed: elapsed, limit: limit))
        isOver = limit.map { elapsed >= $0 } ?? false
        return !hasInterrupted && !isOver
    }
}
