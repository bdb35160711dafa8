internal import Host

/// The durations of single operations, in the order of the operations.
public typealias Latencies = [Duration]

extension Latencies {
    /// The sum of all durations.
    var seconds: Double { reduce(.zero, +).inSeconds }

    /// The durations in microseconds.
    public var microseconds: [Double] { map { Double($0.nanoseconds) / 1000 } }

    /// The percentiles 50 and 99 and the longest duration. Nil if there are no operations.
    public var summary: LatencySummary? {
        let sorted = microseconds.sorted()
        guard let last = sorted.last else { return nil }
        // The nearest rank, so that a percentile is a value that was measured.
        func rank(_ percent: Int) -> Double { sorted[(sorted.count * percent + 99) / 100 - 1] }
        return LatencySummary(p50: rank(50), p99: rank(99), max: last, latencies: self)
    }

    /// The summary with its count and its unit, for a JSON key that names neither.
    var countedSummary: LatencySummary? {
        var summary = self.summary
        summary?.count = count
        summary?.unit = "microseconds"
        return summary
    }
}

/// Percentiles of latencies, in microseconds.
public struct LatencySummary: Codable, Sendable {
    /// The median.
    public let p50: Double
    /// The percentile 99.
    public let p99: Double
    /// The longest latency.
    public let max: Double
    /// The number of latencies. Nil if the JSON key does not need it.
    public fileprivate(set) var count: Int?
    /// The unit, `microseconds`. Nil if the name of the JSON key already says it.
    public fileprivate(set) var unit: String?
    /// The latencies that are summed up. JSON leaves them out, because pictures need them and scripts do not.
    public var latencies: Latencies?

    private enum CodingKeys: CodingKey { case p50, p99, max, count, unit }
}

extension Duration {
    /// The duration in seconds.
    package var inSeconds: Double { Double(nanoseconds) / 1e9 }
}

/// Returns the time that `body` takes.
func measure<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Duration {
    let start = SuspendingClock.now
    try body()
    return SuspendingClock.now - start
}
