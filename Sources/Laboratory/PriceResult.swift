internal import Host

/// The result of a `PriceRun`.
public struct PriceResult: ExperimentResult {
    /// A cell without a price, and why.
    public struct Unmeasured: Codable, Sendable {
        public let cell: PriceCell
        public let reason: String
    }

    public private(set) var schema = 1
    public let rowList: [PriceRow]
    public let unmeasured: [Unmeasured]
    public let interrupted: Bool
    public let ok: Bool

    public var problem: String? {
        ok ? nil : "no cell could be measured: \(unmeasured.first?.reason ?? "there is none")"
    }
}

/// The price of a cell.
public struct PriceRow: Codable, Sendable {
    /// The progress that vCPUs lost beside an operation and its undoing.
    public struct Witness: Codable, Sendable {
        /// The share of the progress of the same time undisturbed. It is below 0 where they made more.
        public let lostShare: Double
        /// The time of which they lost the progress, for each operation with its undoing, in microseconds.
        public let lostMicroseconds: Double
    }

    public let cell: PriceCell
    /// The times by Swiftlet.
    public let microseconds: LatencySummary
    /// The times of the system calls alone; nil where the operation is nothing else.
    public let systemCalls: LatencySummary?
    /// The medians of each round, in microseconds: of Swiftlet's times, of the system calls alone, and of the reference work between them.
    public let medians: [Double]
    public let systemCallMedians: [Double]?
    public let referenceMedians: [Double]
    /// The share of the time in which the measuring thread waited for a processor; nil where the kernel does not tell.
    public let waitShare: Double?
    /// Nil without vCPUs that make progress.
    public let witness: Witness?

    init?(_ cell: PriceCell, _ turns: [PriceSamples]) {
        let isBack = PriceOperation.allCases.contains { $0.undo == cell.operation }
        func times(_ times: PriceSamples.Times) -> Latencies {
            cell.operation.isBothWays ? times.there + times.back : isBack ? times.back : times.there
        }
        let (own, plain) = (turns.map { times($0.own) }, turns.map { times($0.plain) })
        guard let summary = own.flatMap({ $0 }).countedSummary else { return nil }
        self.cell = cell
        microseconds = summary
        systemCalls = plain.flatMap { $0 }.countedSummary
        medians = own.compactMap { $0.summary?.p50 }
        systemCallMedians = systemCalls.map { _ in plain.compactMap { $0.summary?.p50 } }
        referenceMedians = turns.compactMap { $0.work.summary?.p50 }
        let waits = turns.compactMap(\.waitShare)
        waitShare = waits.isEmpty ? nil : waits.reduce(0, +) / Double(waits.count)
        witness = Witness(turns)
    }
}

extension PriceRow.Witness {
    fileprivate init?(_ turns: [PriceSamples]) {
        let turns = turns.filter { $0.undisturbed.rate.map { $0 > 0 } ?? false }
        let expected = turns.reduce(0) { $0 + ($1.undisturbed.rate ?? 0) * $1.disturbed.time.inSeconds }
        guard expected > 0 else { return nil }
        let lost = 1 - turns.reduce(0) { $0 + Double($1.disturbed.checks) } / expected
        let time = turns.reduce(0) { $0 + $1.disturbed.time.inSeconds }
        self.init(
            lostShare: lost, lostMicroseconds: lost * time * 1e6 / Double(max(1, turns.reduce(0) { $0 + $1.pairs })))
    }
}
