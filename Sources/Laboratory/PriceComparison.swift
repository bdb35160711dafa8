/// The differences between the prices of two runs.
///
/// Each price is divided by the time of the reference work in the same turns, so that a host that was slower on the whole makes
/// no difference. The quotients are compared round by round: the rounds of one run differ from each other by as much as the
/// host disturbs them.
public struct PriceComparison: Codable, Sendable {
    /// The verdict on a cell.
    public enum Verdict: String, CaseIterable, Codable, Sendable {
        /// The ratio is within the threshold.
        case equal
        /// Every round of the second run is above every round of the first by more than the threshold. The slowest round of
        /// each run is left out.
        case slower
        /// The opposite of `slower`.
        case faster
        /// The ratio is beyond the threshold, but not in every round, or there are too few rounds, or one run waited more for
        /// processors than the other.
        case noisy
    }

    /// A cell that both runs have.
    public struct Row: Codable, Sendable {
        /// The cell.
        public let cell: PriceCell
        /// The median of all samples of the first run, in microseconds.
        public let a: Double
        /// The median of all samples of the second run, in microseconds.
        public let b: Double
        /// The second run's price divided by the first run's, each corrected by the run's reference work.
        public let ratio: Double
        /// The smallest ratio between single rounds, without the slowest round of each run.
        public let lowest: Double
        /// The largest ratio between single rounds, without the slowest round of each run.
        public let highest: Double
        /// The ratio of the system calls alone, corrected likewise. It tells a change of the kernel from a change of Swiftlet.
        /// Nil if the operation is only system calls.
        public let systemCallRatio: Double?
        /// The verdict on the cell.
        public let verdict: Verdict
    }

    /// The version of the JSON, 1.
    public private(set) var schema = 1
    /// The ratio above which prices count as different.
    public let threshold: Double
    /// The cells that both runs have.
    public let rowList: [Row]
    /// The names of the cells that only the first run has.
    public let onlyInA: [String]
    /// The names of the cells that only the second run has.
    public let onlyInB: [String]
    /// The ratio of the reference work: above 1 if the second run's host was slower.
    public let referenceRatio: Double
    /// The share of its time in which the first run waited for processors. Nil if its kernel does not tell.
    public let waitShareA: Double?
    /// The share of its time in which the second run waited for processors. Nil if its kernel does not tell.
    public let waitShareB: Double?
    /// Whether no cell is slower.
    public let ok: Bool

    /// Whether one run waited so much more for processors than the other that no difference between them counts.
    public var hasOtherNeighbours: Bool { Self.isFar(waitShareA, waitShareB) }

    /// Whether two shares of waiting differ so much that the runs cannot be compared.
    fileprivate static func isFar(_ a: Double?, _ b: Double?) -> Bool {
        a.flatMap { a in b.map { abs($0 - a) } } ?? 0 > 0.1
    }

    /// Whether every time in a price list is one that a run can have written, and no cell is there twice, so that the list can be
    /// compared.
    public static func canCompare(_ list: PriceResult) -> Bool {
        list.rowList.allSatisfy(\.isPlausible) && Set(list.rowList.map(\.cell)).count == list.rowList.count
    }

    /// Compares run `b` with run `a`. A ratio above `threshold` or below its inverse counts as a difference.
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

    /// Returns the number of cells with a verdict.
    public func count(_ verdict: Verdict) -> Int { rowList.count { $0.verdict == verdict } }
}

extension PriceComparison.Row {
    /// Compares two rows of the same cell. The result is nil if one of the rows has no round.
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

    /// The median of rounds, the fastest round, and the second-slowest. The slowest round is left out, because it may be a busy
    /// moment of the host.
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
    /// Divides each round's median by the reference work of the same round.
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

/// Returns the lower median. Nil for no numbers.
private func median(_ numbers: [Double]) -> Double? {
    numbers.isEmpty ? nil : numbers.sorted()[(numbers.count - 1) / 2]
}
