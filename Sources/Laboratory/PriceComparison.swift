/// How the prices of two runs differ.
///
/// A price is set against the reference work of the same turns, so that a host that was slower on the whole makes no difference. What is left
/// is compared round by round: the rounds of a run differ among themselves by as much as the host disturbs it.
public struct PriceComparison: Codable, Sendable {
    public enum Verdict: String, CaseIterable, Codable, Sendable {
        /// Within the threshold.
        case equal
        /// Every round of the second run is above every round of the first by more than the threshold, the slowest round of each left out.
        case slower
        /// The opposite.
        case faster
        /// Beyond the threshold, but not so in every round, or there are too few rounds, or one run waited more for processors than the other.
        case noisy
    }

    /// A cell that both runs have.
    public struct Row: Codable, Sendable {
        public let cell: PriceCell
        /// The medians of all samples, in microseconds.
        public let a: Double
        public let b: Double
        /// The second run's price by the first one's, corrected by the reference work of both.
        public let ratio: Double
        /// The least and the largest that the ratio is between single rounds, the slowest round of each run left out.
        public let lowest: Double
        public let highest: Double
        /// The ratio of the system calls alone, corrected likewise: it tells the kernel from Swiftlet. Nil where the price is nothing else.
        public let systemCallRatio: Double?
        public let verdict: Verdict
    }

    public private(set) var schema = 1
    public let threshold: Double
    public let rowList: [Row]
    /// The names of the cells that only one of the runs has.
    public let onlyInA: [String]
    public let onlyInB: [String]
    /// The ratio of the reference work: above 1 where the second run's host was slower.
    public let referenceRatio: Double
    /// The shares of their time in which the runs waited for processors; nil where a kernel does not tell.
    public let waitShareA: Double?
    public let waitShareB: Double?
    /// Whether no cell is slower.
    public let ok: Bool

    /// Whether one run waited so much more for processors than the other that none of their differences counts.
    public var hasOtherNeighbours: Bool { Self.isFar(waitShareA, waitShareB) }

    /// Whether shares of waiting tell of other neighbours.
    fileprivate static func isFar(_ a: Double?, _ b: Double?) -> Bool {
        a.flatMap { a in b.map { abs($0 - a) } } ?? 0 > 0.1
    }

    /// Whether a list has only times that a run may write, so that it can be compared.
    public static func canCompare(_ list: PriceResult) -> Bool { list.rowList.allSatisfy(\.isPlausible) }

    /// Compares run `b` with run `a`. A ratio above `threshold` counts as a difference, and so does one below its inverse.
    public init(_ a: PriceResult, _ b: PriceResult, threshold: Double) {
        let after = Dictionary(b.rowList.map { ($0.cell, $0) }) { first, _ in first }
        let pairs = a.rowList.compactMap { row in after[row.cell].map { (a: row, b: $0) } }
        func share(_ row: (((a: PriceRow, b: PriceRow)) -> PriceRow)) -> Double? {
            let shares = pairs.compactMap { row($0).waitShare }
            return shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
        }
        (waitShareA, waitShareB) = (share(\.a), share(\.b))
        let isNoisy = Self.isFar(waitShareA, waitShareB)
        rowList = pairs.compactMap { Row($0.a, $0.b, threshold: threshold, isNoisy: isNoisy) }
        let compared = Set(rowList.map(\.cell))
        onlyInA = a.rowList.filter { !compared.contains($0.cell) }.map { "\($0.cell)" }
        onlyInB = b.rowList.filter { !compared.contains($0.cell) }.map { "\($0.cell)" }
        referenceRatio =
            (median(pairs.flatMap(\.b.referenceMedians)) ?? 1) / (median(pairs.flatMap(\.a.referenceMedians)) ?? 1)
        self.threshold = threshold
        ok = !rowList.contains { $0.verdict == .slower }
    }

    /// The number of cells with a verdict.
    public func count(_ verdict: Verdict) -> Int { rowList.count { $0.verdict == verdict } }
}

extension PriceComparison.Row {
    /// Nil where one of the rows has no round.
    fileprivate init?(_ a: PriceRow, _ b: PriceRow, threshold: Double, isNoisy: Bool) {
        let (before, after) = (a.corrected(a.medians), b.corrected(b.medians))
        guard let first = Spread(before), let second = Spread(after) else { return nil }
        cell = a.cell
        (self.a, self.b) = (a.microseconds.p50, b.microseconds.p50)
        ratio = second.median / first.median
        (lowest, highest) = (second.least / first.largest, second.largest / first.least)
        let calls = [a, b].map { Spread($0.corrected($0.systemCallMedians ?? []))?.median }
        systemCallRatio = calls[0].flatMap { first in calls[1].map { $0 / first } }
        let isNoisy = isNoisy || PriceComparison.isFar(a.waitShare, b.waitShare) || min(before.count, after.count) < 3
        verdict =
            if ratio <= threshold && ratio >= 1 / threshold {
                .equal
            } else if isNoisy || (lowest <= threshold && highest >= 1 / threshold) {
                .noisy
            } else {
                ratio > 1 ? .slower : .faster
            }
    }

    /// The median of rounds, and both ends without the slowest round, which may be a busy moment of the host.
    private struct Spread {
        let median, least, largest: Double

        init?(_ rounds: [Double]) {
            let sorted = rounds.sorted()
            guard let median = Laboratory.median(rounds), let first = sorted.first else { return nil }
            (self.median, least, largest) = (median, first, sorted[max(sorted.count - 2, 0)])
        }
    }
}

extension PriceRow {
    /// Medians by the reference work of the same rounds.
    fileprivate func corrected(_ medians: [Double]) -> [Double] {
        zip(medians, referenceMedians).map { $0 / $1 }
    }

    /// Whether the times are such as a run writes. A file may have any.
    fileprivate var isPlausible: Bool {
        let summaries = [microseconds] + (systemCalls.map { [$0] } ?? [])
        let times =
            summaries.flatMap { [$0.p50, $0.p99, $0.max] } + medians + referenceMedians + (systemCallMedians ?? [])
        return times.allSatisfy { (1e-6...1e12).contains($0) } && medians.count == referenceMedians.count
            && (-1...2).contains(waitShare ?? 0)
    }
}

/// The median of numbers; nil of none.
private func median(_ numbers: [Double]) -> Double? {
    numbers.isEmpty ? nil : numbers.sorted()[(numbers.count - 1) / 2]
}
