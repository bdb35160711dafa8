/// How long single operations took, in nanoseconds.
public struct Latencies: Sendable {
    private var samples: [Int64] = []

    public init() {}

    /// Of operations in the order in which they came.
    public init(_ durations: some Sequence<Duration>) {
        durations.forEach { append($0) }
    }

    mutating func reserveCapacity(_ count: Int) {
        samples.reserveCapacity(count)
    }

    mutating func append(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        samples.append(seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000)
    }

    mutating func append(contentsOf other: Latencies) {
        samples += other.samples
    }

    public var count: Int { samples.count }

    /// Of some of the operations, counted from 0.
    public subscript(operations: Range<Int>) -> Latencies {
        var latencies = Latencies()
        latencies.samples = Array(samples[operations])
        return latencies
    }

    /// In the order in which they came.
    public var microseconds: [Double] {
        samples.map { Double($0) / 1000 }
    }

    /// The middle, the one that 99 of 100 do not exceed, and the longest, in microseconds; nil where there are none.
    public var summary: Summary? {
        let sorted = samples.sorted()
        guard let last = sorted.last else { return nil }
        func rank(_ percent: Int) -> Double {
            // The nearest rank: a value that was measured.
            Double(sorted[(sorted.count * percent + 99) / 100 - 1]) / 1000
        }
        return Summary(p50: rank(50), p99: rank(99), max: Double(last) / 1000)
    }

    public struct Summary: Encodable, Sendable {
        public let p50: Double
        public let p99: Double
        public let max: Double
    }
}

/// The time that `body` takes.
func measure<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Duration {
    let start = SuspendingClock.now
    try body()
    return SuspendingClock.now - start
}
