import ArgumentParser
import Machine
import Memslots
import Pictures
import Stress

struct StressFillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill",
        abstract: "Create slots up to KVM's limit, see the next one refused, delete all.",
        discussion: """
            Each slot is a page and a transaction of its own; no vCPU runs. The latencies are those of the whole way: planning, \
            the table, and KVM_SET_USER_MEMORY_REGION.

            Example: swiftlet stress fill --slots 2048 --json
            """)

    @Option(help: ArgumentHelp("Slots to create. (default: as many as KVM has)", valueName: "n"))
    var slots: Int?

    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false

    @Option(help: ArgumentHelp("Draw latency against the number of slots into this file.", valueName: "file.svg"))
    var plot: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let plot = try self.plot.map { try OutputFile(picture: $0, for: "--plot") }
        let run = try StressTest.run { observer throws(MachineError) in
            try FillRun(slots: slots, mayExhaustHost: force, observer: &observer)
        }
        try plot?.write(Plot.fill(run).text)
        if json {
            try emit(try encodeJSON(Report(run)))
        } else {
            try printOut(Self.table(run))
        }
        try StressTest.end(
            isOK: run.isOK, isInterrupted: run.isInterrupted, "the slots did not behave as the rules predict; see above"
        )
    }

    private struct Report: Encodable {
        struct Refusal: Encodable {
            let errno: String?
            let rule: SlotRule
        }

        struct KernelBytes: Encodable {
            let predicted: UInt64
            let measured: UInt64
        }

        let created: Int
        let limit: Int
        let refused: Refusal?
        let addSeconds: Double
        let deleteSeconds: Double
        let addMicroseconds: Latencies.Summary?
        let deleteMicroseconds: Latencies.Summary?
        let kernelBytes: KernelBytes
        let tableBytes: Int
        let interrupted: Bool
        let ok: Bool

        init(_ run: FillRun) {
            created = run.created
            limit = run.limit
            refused = run.refusal.map { Refusal(errno: $0.errno.map { "\($0)" }, rule: $0.rule) }
            addSeconds = run.addTime.inSeconds
            deleteSeconds = run.deleteTime.inSeconds
            addMicroseconds = run.adds.summary
            deleteMicroseconds = run.deletes.summary
            kernelBytes = KernelBytes(predicted: run.predictedKernelBytes, measured: run.measuredKernelBytes)
            tableBytes = run.tableBytes
            interrupted = run.isInterrupted
            ok = run.isOK
        }
    }

    private static func table(_ run: FillRun) -> String {
        var rows = [["slots created", "\(run.created) of \(run.limit)"]]
        if let refusal = run.refusal {
            let errno = refusal.errno.map { "refused with \($0)" } ?? "accepted"
            rows.append(["one more", "\(errno); predicted \(refusal.rule.errno): \(refusal.rule.words)"])
        }
        rows += [
            ["adding", line(run.adds, run.addTime)], ["deleting", line(run.deletes, run.deleteTime)],
            [
                "kernel memory",
                "\(Figures.size(run.predictedKernelBytes)) predicted, \(Figures.size(run.measuredKernelBytes)) measured",
            ],
            ["slot table", "\(Figures.size(UInt64(run.tableBytes))) in this process"],
            ["ok", run.isOK ? "yes" : "no"],
        ]
        return TextTable(columns: [.left("fill"), .left("")], rows: rows).text
    }

    private static func line(_ latencies: Latencies, _ time: Duration) -> String {
        guard let summary = latencies.summary else { return "none" }
        return "\(Figures.seconds(time.inSeconds)); \(Figures.latencies(summary))"
    }
}

extension Figures {
    static func seconds(_ seconds: Double) -> String {
        "\((seconds * 1000).rounded() / 1000) s"
    }

    static func latencies(_ summary: Latencies.Summary) -> String {
        "p50 \(microseconds(summary.p50)), p99 \(microseconds(summary.p99)), max \(microseconds(summary.max))"
    }

    static func microseconds(_ value: Double) -> String {
        value < 100 ? "\((value * 10).rounded() / 10) us" : "\(Int(value.rounded())) us"
    }
}
