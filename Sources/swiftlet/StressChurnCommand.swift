import ArgumentParser
import Laboratory
import Pictures

struct StressChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract: "Change slots at random while vCPUs run a guest that looks at all of them.",
        discussion: """
            Slots are created, deleted, moved, replaced, made read-only, and start and stop logging dirty pages. The guest knows \
            what each place shows at the moment and must never see anything else. About half of the changes park the vCPUs first, \
            half do not: then each system call waits for the vCPUs, which is what parking saves. Without --operations and \
            --seconds it ends after 10 seconds. --plot draws the distributions of both kinds of cost.

            Example: swiftlet stress churn --seconds 30 --vcpus 2 --plot churn.svg
            """)

    @Option(help: ArgumentHelp("Slots that are mapped at the start; one place in five is free.", valueName: "n"))
    var slots = 64

    @OptionGroup var limits: LimitOptions
    @OptionGroup var random: SeedOption

    @Option(help: ArgumentHelp("vCPUs.", valueName: "n"))
    var vcpus = 2

    @OptionGroup var start: ForceOption

    @OptionGroup var drawing: PlotOptions
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func run() throws {
        let plot = try drawing.file()
        let seed = random.value
        let environment = HostEnvironment(of: "stress churn", seed: seed)
        let result = try watched(jail) { observer in
            try ChurnRun.run(
                &observer, slots: slots, vcpus: vcpus, seed: seed, operations: limits.operations,
                limit: limits.seconds ?? (limits.operations == nil ? .seconds(10) : nil),
                mayExhaustHost: start.force)
        }
        try plot?.write(Plot.churn(result).text(origin: environment.line, title: drawing.title))
        try output.show(result, in: environment, Self.text(result))
        try result.end(hint: " (seed \(result.seed))")
    }

    private static func text(_ result: ChurnResult) -> String {
        typealias Row = (name: String, parked: LatencySummary?, unparked: LatencySummary?)
        let rows: [Row] =
            ChurnResult.Kind.allCases.map { ($0.rawValue, result.kinds[$0]?.parked, result.kinds[$0]?.unparked) }
            + [("all", result.parked, result.unparked)]
        let columns: [TextTable.Column<Row>] =
            [.left("change", \.name), .right("parked") { $0.parked?.count ?? 0 }] + TextTable.latencies(\.parked)
            + [.right("unparked") { $0.unparked?.count ?? 0 }] + TextTable.latencies(\.unparked)
        return [
            TextTable(rows, columns),
            TextTable(
                "churn",
                facts: [
                    "changes": "\(result.operations)",
                    "guest": "\(result.guestChecks) checks, \(result.guestErrors) errors",
                    "seed": "\(result.seed)",
                    "ok": result.ok ? "yes" : "no",
                ]),
        ].map(\.text).joined(separator: "\n\n")
    }
}
