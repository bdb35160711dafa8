import ArgumentParser
import Laboratory
import Memslots
import PCI
import Pictures

struct StressToggleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "toggle",
        abstract: "Switch decode of every function of a layout off and on, over and over.",
        discussion: """
            Does so in four ways: with separate or coalesced slots, and with strict or lazy decode. A guest watches BARs and trapped \
            registers all the while. With strict decode and separate slots it goes on until the generation by which KVM \
            remembers addresses that trap has wrapped (2^19 swaps of its slot set), unless --operations says how many toggles. \
            --operations is that of each of the four ways, --seconds that of all together.

            Example: swiftlet stress toggle typical-16 --operations 1000
            """)

    @Argument(help: ArgumentHelp("A preset or a layout file.", valueName: "layout"))
    var layout = "full-bus"

    @OptionGroup var limits: LimitOptions
    @OptionGroup var start: ForceOption
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func run() throws {
        let layout = try LayoutArgument(name: layout).load().layout
        let environment = HostEnvironment(of: "stress toggle")
        let result = try watched(jail) {
            try ToggleRun.run(
                &$0, layout: layout, operations: limits.operations, limit: limits.seconds,
                mayExhaustHost: start.force)
        }
        try output.show(result, in: environment, Self.text(result))
        try result.end()
    }

    private static func text(_ result: ToggleResult) -> String {
        [
            TextTable(
                result.partList,
                [
                    .left("slots", \.policy.rawValue), .left("decode", \.decode.rawValue),
                    .right("toggles", \.toggles), .right("edits", \.edits),
                ] + TextTable.latencies(\.toggleMicroseconds)
                    + [.right("guest's checks", \.guestChecks), .right("errors", \.guestErrors)]),
            TextTable(
                "toggle",
                facts: [
                    "functions": "\(result.functions)",
                    "KVM's generation": "wrapped \(Figures.count(Int(result.generationWraps), "time"))",
                    "ok": result.ok ? "yes" : "no",
                ]),
        ].map(\.text).joined(separator: "\n\n")
    }
}
