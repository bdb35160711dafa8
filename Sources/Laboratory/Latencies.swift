internal import Host

/// The times that single operations took, in the order in which they came.
public typealias Latencies = [Duration]

extension Latencies {
    /// The sum of all times.
    var seconds: Double { reduce(.zero, +).inSeconds }

    /// The times in microseconds.
    public var microseconds: [Double] { map { Double($0.nanoseconds) / 1000 } }

    /// The percentiles 50 and 99 and the longest time; nil where there are no operations.
    public var summary: LatencySummary? {
        let sorted = microseconds.sorted()
        guard let last = sorted.last else { return nil }
        // The nearest rank is a value that was measured.
        func rank(_ percent: Int) -> Double { sorted[(sorted.count * percent + 99) / 100 - 1] }
        return LatencySummary(p50: rank(50), p99: rank(99), max: last, latencies: self)
    }

    /// The summary with its count and its unit, for a key in JSON that says neither.
    var countedSummary: LatencySummary? {
        var summary = self.summary
        summary?.count = count
        summary?.unit = "microseconds"
        return summary
    }
}

/// Percentiles in microseconds.
public struct LatencySummary: Codable, Sendable {
    public let p50: Double
    public let p99: Double
    public let max: Double
    public fileprivate(set) var count: Int?
    public fileprivate(set) var unit: String?
    /// The latencies that it sums up. JSON leaves them out, because pictures need them and scripts do not.
    public var latencies: Latencies?

    private enum CodingKeys: CodingKey { case p50, p99, max, count, unit }
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
