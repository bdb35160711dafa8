/// Who watches a scenario: is told now and then how far it is, and may end it early.
public struct Observer {
    /// How far a scenario is.
    public struct Progress: Sendable {
        /// What is being done: `adding slots`.
        public let phase: String
        public let done: Int
        /// Nil where time alone ends the phase.
        public let total: Int?
        /// Since the phase began, and how long it may take in all.
        public let elapsed: Duration
        public let limit: Duration?
    }

    private let tell: (Progress) -> Bool
    private var phase = ""
    private var total: Int?
    private var limit: Duration?
    private var start = SuspendingClock.now
    private var next = SuspendingClock.now
    /// Whether the time of the phase is over.
    private var isOver = false
    /// Whether the scenario was told to end early.
    public private(set) var hasInterrupted = false

    private static let interval = Duration.milliseconds(100)

    /// `tell` is called about ten times a second and says whether to go on.
    public init(_ tell: @escaping (Progress) -> Bool) {
        self.tell = tell
    }

    /// Nobody.
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

    /// Whether to go on, after so much has been `done`: neither interrupted nor out of time.
    mutating func goesOn(_ done: Int) -> Bool {
        let now = SuspendingClock.now
        guard !hasInterrupted, !isOver else { return false }
        guard now >= next else { return true }
        next = now + Self.interval
        let elapsed = now - start
        hasInterrupted = !tell(
            Progress(phase: phase, done: done, total: total, elapsed: elapsed, limit: limit))
        isOver = limit.map { elapsed >= $0 } ?? false
        return !hasInterrupted && !isOver
    }
}
