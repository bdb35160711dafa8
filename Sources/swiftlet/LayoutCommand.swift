import ArgumentParser
import Host
import Layouts
import Machine
import Memslots
import PCI

struct LayoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout",
        abstract: "Build a machine with assigned-device BARs, and let a guest exercise them.",
        discussion: """
            LAYOUT is a preset (--list shows them), a layout file in JSON, what lspci -vvv printed, or a directory as \
            /sys/bus/pci/devices; files have a slash or a dot in their names. The guest finds every function, sizes and places every BAR, writes and reads back each that is mapped, and takes an \
            interrupt of each function that has MSI-X. The exit status is 1 if anything is not as it should be.

            Examples:
              swiftlet layout full-bus
              swiftlet layout full-bus --slots coalesced --json
              swiftlet layout ./mine.json
              swiftlet layout machine.txt --only 01:00.0,01:00.1
            """
    )

    @Argument(help: ArgumentHelp("A preset, a layout file or a dump.", valueName: "layout"))
    var layout: String?

    @Flag(help: "List the presets.")
    var list = false

    @OptionGroup
    var dump: DumpOptions

    @Option(help: ArgumentHelp("How mappings become slots: one each, or shared by neighbours.", valueName: "policy"))
    var slots = SlotPolicy.separate

    @Option(help: ArgumentHelp("What becomes of a BAR's slots while decode is off.", valueName: "policy"))
    var decode = DecodePolicy.strict

    @Option(help: ArgumentHelp("vCPUs.", valueName: "n"))
    var vcpus = 1

    @Flag(help: "Start even if the slots take more than half of the host's available memory in the kernel.")
    var force = false

    @Option(help: ArgumentHelp("Draw the guest's memory, as it is at boot, into this file.", valueName: "file.svg"))
    var map: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard list || layout != nil else {
            throw ValidationError("Name a layout: `swiftlet layout --list` shows the presets.")
        }
    }

    func run() throws {
        if list {
            let rows = Layout.presets.map { [$0.name, "\($0.make().functions.count)", $0.shows] }
            try printOut(TextTable(columns: [.left("layout"), .right("functions"), .left("shows")], rows: rows).text)
            return
        }
        var warnings: [String] = []
        let layout = try LayoutArgument(name: layout ?? "").load(dump.selection, warnings: &warnings)
        let map = try self.map.map { try OutputFile(picture: $0, for: "--map") }
        let result: PCIRun
        do throws(MachineError) {
            result = try PCIRun(
                layout.byAddress, policy: slots, decode: decode, vcpus: vcpus, mayExhaustHost: force)
        } catch {
            throw failure(error)
        }
        try map?.write(MemoryMapSVG(result.memory, title: "\(layout.name), \(slots.rawValue)").text)
        let report = LayoutReport(layout, policy: slots, result)
        if json {
            try emit(try encodeJSON(report))
        } else {
            try printOut(LayoutText(report, result).text)
        }
        if !result.outcome.isOrderly {
            let states = result.vcpus.map { "\n\($0)" }.joined()
            _ = failure("\(result.outcome)\(states)", status: 0)
            throw ExitCode(result.outcome.exitCode)
        }
        if !report.ok {
            throw failure("the check of \(layout.name) failed; see the guest's figures above", status: 1)
        }
    }
}
