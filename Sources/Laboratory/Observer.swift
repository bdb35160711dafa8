/// The watcher of an experiment. About ten times a second, the experiment reports its progress to the observer, which may end
/// it early.
public struct Observer {
    /// The progress of an experiment.
    public struct Progress: Sendable {
        /// The name of the phase, such as `adding slots`.
        public let phase: String
        /// The number of operations in the phase so far.
        public internal(set) var done = 0
        /// The number of operations in the whole phase. Nil if time alone ends the phase.
        public let total: Int?
        /// The time since the phase began.
        public internal(set) var elapsed = Duration.zero
        /// The time that the phase may take. Nil without a limit.
        public let limit: Duration?
        /// The seed with which a later run can do the rest of this experiment, if there is one.
        public internal(set) var seed: UInt64?
    }

    private let tell: (Progress) -> Bool
    private var progress = Progress(phase: "", total: nil, limit: nil)
    private var start = SuspendingClock.now
    private var next = SuspendingClock.now
    /// Whether the experiment was told to end early.
    public private(set) var hasInterrupted = false

    private static let interval = Duration.milliseconds(100)

    /// Makes an observer that calls `tell` about ten times a second. `tell` returns whether the experiment goes on.
    public init(_ tell: @escaping (Progress) -> Bool) {
        self.tell = tell
    }

    /// Begins a phase, and forgets the progress of the phase before.
    public mutating func begin(_ phase: String, total: Int? = nil, limit: Duration? = nil) {
        progress = Progress(phase: phase, total: total, limit: limit)
        start = .now
        next = start
    }

    /// Reports progress, and returns whether the experiment goes on: there is time left, and nobody has ended it early.
    ///
    /// - Parameters:
    ///   - done: The number of operations done in the phase.
    ///   - seed: The seed with which a later run can do the rest, if there is one.
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
