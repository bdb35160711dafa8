import ArgumentParser
import Host
import Laboratory
import Layouts
import Machine
import Memslots
import PCI
import Pictures

struct LayoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout",
        abstract: "Build a machine with assigned-device BARs, and let a guest exercise them.",
        discussion: """
            LAYOUT is a preset (--list shows them), a layout file in JSON, what lspci -vvv printed, or a directory as \
            /sys/bus/pci/devices; files have a slash or a dot in their names. The guest finds every function, sizes and places every BAR, writes and reads back each that is mapped, and takes an \
            interrupt of each function that has MSI-X. The exit status is 1 if anything is not as it should be.

            With --linux, a Linux kernel boots instead, and the files of sysfs that its initial RAM disk prints are compared with \
            the layout. The disk that comes with Swiftlet does nothing else; docs/linux.md says how another one prints them.

            Examples:
              swiftlet layout full-bus
              swiftlet layout machine.txt --linux ./vmlinuz
              swiftlet layout full-bus --slots coalesced --json
              swiftlet layout ./mine.json
              swiftlet layout machine.txt --only 01:00.0,01:00.1
            """
    )

    @Argument(help: ArgumentHelp("A preset, a layout file or a dump.", valueName: "layout"))
    var layout: String?

    @Flag(help: "List the presets.")
    var list = false

    @OptionGroup var options: PolicyOptions

    @Option(help: ArgumentHelp("What becomes of a BAR's slots while decode is off.", valueName: "policy"))
    var decode = DecodePolicy.strict

    @Option(help: ArgumentHelp("vCPUs.", valueName: "n"))
    var vcpus = 1

    @Option(help: ArgumentHelp("End after this time, with status 124.", valueName: "time"))
    var timeout: Duration?

    @Option(help: ArgumentHelp("Boot this Linux kernel instead of the built-in guest.", valueName: "file"))
    var linux: String?

    @Option(
        help: ArgumentHelp("With --linux: the initial RAM disk. (default: one that prints sysfs)", valueName: "file"))
    var initrd: String?

    @Option(
        help: ArgumentHelp("With --linux: the command line. (default: console=ttyS0 quiet)", valueName: "arguments"))
    var append: String?

    @OptionGroup var start: ForceOption
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard list || layout != nil else {
            throw ValidationError("Name a layout: `swiftlet layout --list` shows the presets.")
        }
        guard !list || layout == nil && options.drawing.map == nil else {
            throw ValidationError("--list shows the presets and builds nothing: leave out the layout and --map.")
        }
        guard linux != nil || (initrd == nil && append == nil) else {
            throw ValidationError("--initrd and --append are for Linux: add --linux.")
        }
        guard linux == nil || options.drawing.map == nil else {
            throw ValidationError("--map draws what the built-in guest made of the layout: leave out --linux.")
        }
    }

    func run() throws {
        guard !list else {
            let columns: [TextTable.Column<Layout.Preset>] = [
                .left("layout", \.name), .right("functions") { $0.make().functions.count }, .left("shows", \.shows),
            ]
            return try output.show(PresetList(), TextTable(Layout.presets, columns).text)
        }
        if let timeout { ProcessStart.end(after: timeout + GuestRun.patience, status: Outcome.timeout.exitCode) }
        let environment = HostEnvironment(of: "layout")
        let map = try options.mapFile(beside: layout ?? "")
        let layout = try LayoutArgument(name: layout ?? "").load(options.dump.selection).layout
        if let linux { return try run(layout, kernel: linux, environment) }
        let (result, memory) = try PCIRun.run(
            layout, choices: options.board.choices, policy: options.slots, decode: decode, vcpus: vcpus,
            mayExhaustHost: start.force, timeout: timeout, beforeRun: enterJail)
        try map?.write(
            MemoryMap(
                memory, title: options.drawing.title ?? "\(result.layout), \(result.policy.rawValue)",
                names: layout.functionNames
            ).document(for: options.drawing.map))
        try output.show(result, in: environment, Self.text(result, memory))
        if !result.isOrderly {
            complain(result.ending)
            throw ExitCode(result.exitCode)
        }
        if !result.ok {
            throw failure("the check of \(result.layout) failed; see the guest's figures above", .checkFailed)
        }
    }

    private func enterJail() throws(MachineError) {
        do throws(HostError) { try jail.enter() } catch { throw .host(error) }
    }

    private func run(_ layout: Layout, kernel: String, _ environment: HostEnvironment) throws {
        let guest = GuestRun(
            guest: kernel.contains("/") ? kernel : "./" + kernel, append: append ?? GuestRun.linuxConsole + " quiet",
            initrd: initrd, vcpus: vcpus, board: options.board.choices, slots: options.slots, force: start.force,
            needsLinux: true)
        var requested = try guest.guestAndMachine()
        requested.machine.add(layout)
        requested.machine.decode = decode
        if initrd == nil {
            requested.machine.boot.modules = [BootArguments.Module(string: "", bytes: BuiltInGuest.linuxDisk)]
        }
        let result = try LinuxRun.run(
            layout, requested.machine, image: requested.image, bytes: requested.bytes, timeout: timeout,
            beforeRun: enterJail)
        try output.show(result, in: environment, Self.text(result))
        guard !result.ok else { return }
        complain(result.console + (result.differenceList.prefix(20) + [result.ending]).joined(separator: "\n"))
        throw ExitCode(result.exitCode == 0 ? ExitStatus.checkFailed.rawValue : result.exitCode)
    }

    private static func text(_ result: LinuxResult) -> String {
        let (edits, exits) = (result.edits, result.exits)
        return TextTable(
            result.layout,
            facts: [
                "Linux shows":
                    "\(Figures.count(result.functions, "function")), \(Figures.count(result.bars, "region")) of BARs and ROMs",
                "compared": "\(Figures.count(result.bytesChecked, "byte")) of configuration space, "
                    + Figures.count(result.differences, "difference"),
                "moved": Figures.count(result.moves, "function"),
                "edits of slots": "\(edits.created) created, \(edits.deleted) deleted",
                "exits": "\(exits.pio) at ports, \(exits.mmio) at memory, \(exits.other) others",
                "booted in": Figures.seconds(result.seconds), "ok": result.ok ? "yes" : "no",
            ]
        ).text
    }

    private static func text(_ result: LayoutResult, _ memory: MemoryDescription) -> String {
        func edits(_ counts: EditCounts) -> String {
            "\(counts.created) created, \(counts.deleted) deleted, \(counts.moved) moved, \(counts.flagged) flagged"
        }
        let (slots, seconds) = (result.slots, result.seconds)
        func guest(_ name: String, _ noun: String) -> String { Figures.count(result.guest[name] ?? 0, noun) }
        return [
            TextTable(
                memory.rows,
                [
                    .left("owner", \.mapping.owner), .left("guest range", \.mapping.range),
                    .right("size") { Figures.size($0.mapping.range.size) }, .right("slot", \.slot),
                    .left("access", \.mapping.access.rawValue),
                ]),
            TextTable(
                result.layout,
                facts: [
                    "functions": "\(result.functions)",
                    "pieces": "\(result.pieces[.mapped] ?? 0) mapped, \(result.pieces[.trapped] ?? 0) trapped",
                    "slots": "\(slots.bars) for BARs, \(slots.roms) for ROMs, \(slots.ram) for RAM; \(slots.total) of "
                        + "\(slots.limit) (\(result.policy.rawValue))",
                    "kernel memory": Figures.both(result.kernelBytes),
                    "built in":
                        "\(Figures.seconds(seconds.build)), slots \(Figures.seconds(seconds.slots))",
                    "edits while sizing": edits(result.edits.sizing),
                    "edits while placing": edits(result.edits.placement),
                    "guest": result.outcome == "exited"
                        ? "\(guest("functions", "function")), \(guest("bars", "BAR")), \(guest("bytesChecked", "byte")) checked, "
                            + "\(result.guest["mismatches"] ?? 0) mismatches, \(guest("interrupts", "interrupt")), in "
                            + Figures.seconds(seconds.guest) : nil,
                    "ok": result.ok ? "yes" : "no",
                ]),
        ].map(\.text).joined(separator: "\n\n")
    }
}

/// The presets as `layout --list --json` prints them.
private struct PresetList: Encodable {
    private let schema = 1
    let layoutList = Layout.presets.map { Row(layout: $0.name, functions: $0.make().functions.count, shows: $0.shows) }

    struct Row: Encodable {
        let layout: String
        let functions: Int
        let shows: String
    }
}
