/// Watches an experiment: it is told about ten times a second how far the experiment is, and may end it early.
public struct Observer {
    /// How far an experiment is.
    public struct Progress: Sendable {
        /// The name of the phase, such as `adding slots`.
        public let phase: String
        public internal(set) var done = 0
        /// The number of operations in the phase; nil where time alone ends it.
        public let total: Int?
        /// The time since the phase began, and the time that it may take in all.
        public internal(set) var elapsed = Duration.zero
        public let limit: Duration?
        /// The seed with which another run does the rest, where there is one.
        public internal(set) var seed: UInt64?
    }

    private let tell: (Progress) -> Bool
    private var progress = Progress(phase: "", total: nil, limit: nil)
    private var start = SuspendingClock.now
    private var next = SuspendingClock.now
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

    /// Begins a phase.
    public mutating func begin(_ phase: String, total: Int? = nil, limit: Duration? = nil) {
        progress = Progress(phase: phase, total: total, limit: limit)
        start = .now
        next = start
    }

    /// Tells how many operations are `done`, and the seed with which another run does the rest, where there is one. The answer says
    /// whether to go on: there is time left, and no interruption.
    public mutating func goesOn(_ done: Int, seed: UInt64? = nil) -> Bool {
        let now = SuspendingClock.now
        (progress.done, progress.seed) = (done, seed)
        progress.elapsed = now - start
        if now >= next, !hasInterrupted {
            next = now + Self.interval
            hasInterrupted = !tell(progress)
        }
        return !hasInterrupted && !(progress.limit.map { progress.elapsed >= $0 } ?? false)
    }
}
