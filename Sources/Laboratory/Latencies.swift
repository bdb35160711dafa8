internal import Host

/// The times that single operations took, in the order in which they came.
public struct Latencies: Sendable {
    private var samples: [Int64] = []

    public init() {}

    /// Takes the times of operations, in the order in which they came.
    public init(_ durations: some Sequence<Duration>) {
        samples = durations.map(\.nanoseconds)
    }

    init(capacity: Int) {
        samples.reserveCapacity(capacity)
    }

    mutating func append(_ duration: Duration) {
        samples.append(duration.nanoseconds)
    }

    static func + (first: Latencies, second: Latencies) -> Latencies {
        var sum = first
        sum.samples += second.samples
        return sum
    }

    public var count: Int { samples.count }

    /// The sum of all times.
    var seconds: Double { Double(samples.reduce(0, +)) / 1e9 }

    /// The times of some of the operations, counted from 0.
    public subscript(operations: Range<Int>) -> Latencies {
        var latencies = Latencies()
        latencies.samples = Array(samples[operations])
        return latencies
    }

    /// The times in microseconds.
    public var microseconds: [Double] {
        samples.map { Double($0) / 1000 }
    }

    /// The percentiles 50 and 99 and the longest time; nil where there are no operations.
    public var summary: Summary? {
        let sorted = samples.sorted()
        guard let last = sorted.last else { return nil }
        func rank(_ percent: Int) -> Double {
            // The nearest rank is a value that was measured.
            Double(sorted[(sorted.count * percent + 99) / 100 - 1]) / 1000
        }
        return Summary(p50: rank(50), p99: rank(99), max: Double(last) / 1000, latencies: self)
    }

    /// The summary with its count and its unit, for a key in JSON that says neither.
    var countedSummary: Summary? {
        var summary = self.summary
        summary?.count = count
        summary?.unit = "microseconds"
        return summary
    }

    /// Percentiles in microseconds.
    public struct Summary: Codable, Equatable, Sendable {
        public let p50: Double
        public let p99: Double
        public let max: Double
        public fileprivate(set) var count: Int?
        public fileprivate(set) var unit: String?
        /// The latencies that it sums up.
        @Unencoded public var latencies: Latencies?
    }
}

extension Duration {
    /// The duration in seconds.
    package var inSeconds: Double { Double(nanoseconds) / 1e9 }
}

/// Measures the time that `body` takes.
func measure<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Duration {
    let start = SuspendingClock.now
    try body()
    return SuspendingClock.now - start
}
