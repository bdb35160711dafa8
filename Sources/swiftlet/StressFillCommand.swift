import ArgumentParser
import Laboratory
import Memslots
import Pictures

struct StressFillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill",
        abstract: "Create slots up to KVM's limit, see the next one refused, delete all.",
        discussion: """
            Each slot is a page and a transaction of its own; no vCPU runs. The latencies are those of the whole way: planning, \
            the table, and KVM_SET_USER_MEMORY_REGION. --plot draws latency \
            against the number of slots.

            Example: swiftlet stress fill --slots 2048 --json
            """)

    @Option(
        help: ArgumentHelp(
            "Slots to create; with fewer than KVM has, none is refused. (default: as many as KVM has)", valueName: "n"))
    var slots: Int?

    @OptionGroup var start: ForceOption

    @OptionGroup var drawing: PlotOptions
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func run() throws {
        let plot = try drawing.file()
        let environment = HostEnvironment(of: "stress fill")
        let result = try watched(jail) { try FillRun.run(&$0, slots: slots, mayExhaustHost: start.force) }
        try plot?.write(Plot.fill(result).text(origin: environment.line, title: drawing.title))
        try output.show(result, in: environment, Self.table(result).text)
        try result.end(hint: "; see above")
    }

    private static func table(_ result: FillResult) -> TextTable {
        func line(_ latencies: LatencySummary?, _ seconds: Double) -> String {
            latencies.map { "\(Figures.seconds(seconds)); \($0.words.joined(separator: ", "))" } ?? "none"
        }
        let refusal = result.refused.map { refused in
            "\(refused.errno.map { "refused with \($0)" } ?? "accepted"); predicted \(refused.rule.errno) by the rule: \(refused.rule.words)"
        }
        return TextTable(
            "fill",
            facts: [
                "slots created": "\(result.created) of \(result.limit)",
                "one more": refusal,
                "adding": line(result.addMicroseconds, result.addSeconds),
                "deleting": line(result.deleteMicroseconds, result.deleteSeconds),
                "kernel memory": Figures.both(result.kernelBytes),
                "slot table": "\(Figures.size(UInt64(result.tableBytes))) in this process",
                "ok": result.ok ? "yes" : "no",
            ])
    }
}
