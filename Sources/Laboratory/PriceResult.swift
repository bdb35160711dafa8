/// The result of a `PriceRun`.
public struct PriceResult: ExperimentResult {
    /// A cell without a price, and the reason.
    public struct Unmeasured: Codable, Sendable {
        /// The cell.
        public let cell: PriceCell
        /// The reason, in words.
        public let reason: String
    }

    public private(set) var schema = 1
    /// The cells that were measured.
    public let rowList: [PriceRow]
    /// The cells that could not be measured, in at least one round.
    public let unmeasured: [Unmeasured]
    public let interrupted: Bool
    public let ok: Bool

    public var problem: String? {
        ok ? nil : "no cell could be measured: \(unmeasured.first?.reason ?? "there is none")"
    }
}

/// The price of a cell.
public struct PriceRow: Codable, Sendable {
    /// The progress that vCPUs lost while an operation and its undoing were done.
    public struct Witness: Codable, Sendable {
        /// The lost share of the progress that the vCPUs make in the same time undisturbed. It is below 0 if they made more.
        public let lostShare: Double
        /// The time in which the vCPUs would have made the lost progress, for one operation with its undoing, in microseconds.
        public let lostMicroseconds: Double
    }

    /// The cell.
    public let cell: PriceCell
    /// The latencies of the operation by Swiftlet.
    public let microseconds: LatencySummary
    /// The latencies of the system calls alone. Nil if the operation is only system calls.
    public let systemCalls: LatencySummary?
    /// The medians of Swiftlet's times in each round, in microseconds.
    public let medians: [Double]
    /// The medians of the system calls alone in each round, in microseconds.
    public let systemCallMedians: [Double]?
    /// The medians of the reference work in each round, in microseconds.
    public let referenceMedians: [Double]
    /// The share of the time in which the measuring thread waited for a processor. Nil if the kernel does not tell.
    public let waitShare: Double?
    /// The vCPUs' lost progress. Nil without vCPUs that make progress.
    public let witness: Witness?

    init?(_ cell: PriceCell, _ turns: [PriceSamples]) {
        let isBack = PriceOperation.allCases.contains { $0.undo == cell.operation }
        func times(_ times: PriceSamples.Times) -> Latencies {
            cell.operation.isBothWays ? times.there + times.back : isBack ? times.back : times.there
        }
        let (bySwiftlet, alone) = (turns.map { times($0.bySwiftlet) }, turns.map { times($0.systemCalls) })
        guard let summary = bySwiftlet.flatMap({ $0 }).countedSummary else { return nil }
        self.cell = cell
        microseconds = summary
        systemCalls = alone.flatMap { $0 }.countedSummary
        medians = bySwiftlet.compactMap { $0.summary?.p50 }
        systemCallMedians = systemCalls.map { _ in alone.compactMap { $0.summary?.p50 } }
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
