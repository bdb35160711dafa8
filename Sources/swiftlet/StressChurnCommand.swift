import ArgumentParser
import Machine
import Pictures
import Stress

struct StressChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract: "Change slots at random while vCPUs run a guest that looks at all of them.",
        discussion: """
            Slots are created, deleted, moved, replaced, made read-only, and start and stop logging dirty pages. The guest knows \
            what each place shows at the moment and must never see anything else. Half of the changes park the vCPUs first, \
            half do not: then each system call waits for the vCPUs, which is what parking saves.

            Example: swiftlet stress churn --seconds 30 --vcpus 2 --plot churn.svg
            """)

    @Option(help: ArgumentHelp("Slots that are mapped at the start; one place in five is free.", valueName: "n"))
    var slots = 64

    @Option(help: ArgumentHelp("End after so many changes.", valueName: "n"))
    var operations: Int?

    @Option(help: ArgumentHelp("End after this time. (default: 10 without --operations)", valueName: "t"))
    var seconds: TimeSpan?

    @Option(help: ArgumentHelp("Where the random changes begin. (default: another one each time)", valueName: "s"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("vCPUs.", valueName: "n"))
    var vcpus = 2

    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false

    @Option(
        help: ArgumentHelp("Draw the distributions of both kinds of cost into this file.", valueName: "file.svg"))
    var plot: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let operations, operations < 1 { throw ValidationError("--operations counts from 1.") }
    }

    func run() throws {
        let plot = try self.plot.map { try OutputFile(picture: $0, for: "--plot") }
        let limit = seconds?.duration ?? (operations == nil ? .seconds(10) : nil)
        let run = try StressTest.run { observer throws(MachineError) in
            try ChurnRun(
                slots: slots, vcpus: vcpus, seed: seed ?? makeSeed(), operations: operations, limit: limit,
                mayExhaustHost: force, observer: &observer)
        }
        try plot?.write(Plot.churn(run).text)
        if json {
            try emit(try encodeJSON(Report(run)))
        } else {
            try printOut(Self.table(run))
        }
        let states = run.vcpus.map { "\n\($0)" }.joined()
        try StressTest.end(
            isOK: run.isOK, isInterrupted: run.isInterrupted,
            "the guest \(run.guest.firstError.map { "saw what was not there: \($0)" } ?? "did not end well: \(run.outcome)\(states)")"
                + " (seed \(run.seed))")
    }

    private struct Report: Encodable {
        let operations: Int
        let guestChecks: UInt64
        let guestErrors: UInt64
        let firstError: String?
        let parked: LatencyReport?
        let unparked: LatencyReport?
        /// By kind of change.
        let kinds: [String: Kind]
        let seed: UInt64
        let interrupted: Bool
        let ok: Bool

        struct Kind: Encodable {
            let parked: LatencyReport?
            let unparked: LatencyReport?
        }

        init(_ run: ChurnRun) {
            operations = run.operations
            guestChecks = run.guest.checks
            guestErrors = run.guest.errors
            firstError = run.guest.firstError
            parked = LatencyReport(run.parked.all)
            unparked = LatencyReport(run.unparked.all)
            kinds = Dictionary(
                uniqueKeysWithValues: ChurnRun.Kind.allCases.map {
                    (
                        $0.rawValue,
                        Kind(
                            parked: run.parked[$0].flatMap(LatencyReport.init),
                            unparked: run.unparked[$0].flatMap(LatencyReport.init))
                    )
                })
            seed = run.seed
            interrupted = run.isInterrupted
            ok = run.isOK
        }
    }

    private static func table(_ run: ChurnRun) -> String {
        func cells(_ latencies: Latencies?) -> [String] {
            guard let summary = latencies?.summary else { return ["0", "", "", ""] }
            return ["\(latencies?.count ?? 0)"]
                + [summary.p50, summary.p99, summary.max].map(Figures.microseconds)
        }
        let columns: [TextTable.Column] = [
            .left("change"), .right("parked"), .right("p50"), .right("p99"), .right("max"), .right("unparked"),
            .right("p50"), .right("p99"), .right("max"),
        ]
        var rows = ChurnRun.Kind.allCases.map { [$0.rawValue] + cells(run.parked[$0]) + cells(run.unparked[$0]) }
        rows.append(["all"] + cells(run.parked.all) + cells(run.unparked.all))
        let totals = [
            ["changes", "\(run.operations)"],
            ["guest", "\(run.guest.checks) checks, \(run.guest.errors) errors"],
            ["seed", "\(run.seed)"],
            ["ok", run.isOK ? "yes" : "no"],
        ]
        return TextTable(columns: columns, rows: rows).text + "\n\n"
            + TextTable(columns: [.left("churn"), .left("")], rows: totals).text
    }
}

/// Latencies in JSON, with their unit.
struct LatencyReport: Encodable {
    let count: Int
    let p50: Double
    let p99: Double
    let max: Double
    let unit: String

    /// Nil where nothing was measured.
    init?(_ latencies: Latencies) {
        guard let summary = latencies.summary else { return nil }
        count = latencies.count
        p50 = summary.p50
        p99 = summary.p99
        max = summary.max
        unit = "microseconds"
    }
}
