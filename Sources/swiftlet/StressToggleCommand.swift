import ArgumentParser
import Laboratory
import Layouts
import Machine
import Memslots
import PCI
import Pictures

struct StressToggleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "toggle",
        abstract: "Switch decode of every function of a layout off and on, over and over.",
        discussion: """
            In four ways: one slot a BAR piece or neighbours coalesced, decode strict or lazy. A guest watches BARs and trapped \
            registers all the while. With strict decode and separate slots it goes on until the generation by which KVM \
            remembers addresses that trap has wrapped (2^19 swaps of its slot set), unless --operations says how many toggles.

            Example: swiftlet stress toggle typical-16 --operations 1000
            """)

    @Argument(help: ArgumentHelp("A preset or a layout file.", valueName: "layout"))
    var layout = "full-bus"

    @Option(help: ArgumentHelp("Toggles in each of the four ways.", valueName: "n"))
    var operations: Int?

    @Option(help: ArgumentHelp("End each of the four ways after this time.", valueName: "t"))
    var seconds: TimeSpan?

    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let operations, operations < 1 { throw ValidationError("--operations counts from 1.") }
    }

    func run() throws {
        let layout = try LayoutArgument(name: self.layout).load()
        let run = try StressTest.run { observer throws(MachineError) in
            try ToggleRun(
                layout.byAddress, operations: operations, limit: seconds?.duration, mayExhaustHost: force,
                observer: &observer)
        }
        if json {
            try emit(try encodeJSON(Report(run, layout: layout.name)))
        } else {
            try printOut(Self.table(run))
        }
        let broken = run.parts.first { !$0.isOK }
        let states = broken?.vcpus.map { "\n\($0)" }.joined() ?? ""
        let seen =
            broken?.guest.firstError ?? broken.map { "\($0.outcome)\(states)" } ?? "no function has a decode to toggle"
        try StressTest.end(
            isOK: run.isOK, isInterrupted: run.isInterrupted,
            "\(broken.map { "\($0.policy.rawValue) slots, \($0.decode.rawValue) decode: " } ?? "")\(seen)")
    }

    private struct Report: Encodable {
        struct Part: Encodable {
            let policy: SlotPolicy
            let decode: DecodePolicy
            let toggles: Int
            let edits: UInt64
            let slotSetSwaps: UInt64
            let secondsPerToggle: Double?
            let toggleMicroseconds: Latencies.Summary?
            let guestChecks: UInt64
            let guestErrors: UInt64
            let firstError: String?
            let ok: Bool

            init(_ part: ToggleRun.Part) {
                policy = part.policy
                decode = part.decode
                toggles = part.toggles
                edits = part.edits.total
                slotSetSwaps = part.edits.slotSetSwaps
                secondsPerToggle = Report.secondsEach(part.duration, part.toggles)
                toggleMicroseconds = part.latencies.summary
                guestChecks = part.guest.checks
                guestErrors = part.guest.errors
                firstError = part.guest.firstError
                ok = part.isOK
            }
        }

        let layout: String
        let functions: Int
        let toggles: Int
        let edits: UInt64
        let secondsPerToggle: Double?
        let generationWraps: UInt64
        let guestChecks: UInt64
        let guestErrors: UInt64
        let partList: [Part]
        let interrupted: Bool
        let ok: Bool

        init(_ run: ToggleRun, layout: String) {
            self.layout = layout
            functions = run.functions
            toggles = run.toggles
            edits = run.edits
            secondsPerToggle = Self.secondsEach(run.duration, run.toggles)
            generationWraps = run.generationWraps
            guestChecks = run.guestChecks
            guestErrors = run.guestErrors
            partList = run.parts.map(Part.init)
            interrupted = run.isInterrupted
            ok = run.isOK
        }

        static func secondsEach(_ time: Duration, _ count: Int) -> Double? {
            count > 0 ? time.inSeconds / Double(count) : nil
        }
    }

    private static func table(_ run: ToggleRun) -> String {
        let columns: [TextTable.Column] = [
            .left("slots"), .left("decode"), .right("toggles"), .right("edits"), .right("p50"), .right("p99"),
            .right("max"), .right("guest's checks"), .right("errors"),
        ]
        let rows = run.parts.map { part in
            let summary = part.latencies.summary
            let times = [summary?.p50, summary?.p99, summary?.max].map { $0.map(Figures.microseconds) ?? "" }
            return [part.policy.rawValue, part.decode.rawValue, "\(part.toggles)", "\(part.edits.total)"] + times
                + ["\(part.guest.checks)", "\(part.guest.errors)"]
        }
        let totals = [
            ["functions", "\(run.functions)"],
            ["KVM's generation", "wrapped \(Figures.count(Int(run.generationWraps), "time"))"],
            ["ok", run.isOK ? "yes" : "no"],
        ]
        return TextTable(columns: columns, rows: rows).text + "\n\n"
            + TextTable(columns: [.left("toggle"), .left("")], rows: totals).text
    }
}
