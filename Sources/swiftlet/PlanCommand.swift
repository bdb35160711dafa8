import ArgumentParser
import Host
import Laboratory
import Layouts
import Machine
import Memslots

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Tell what a layout would need, on which kernels it fits, and what runs out first.",
        discussion: """
            LAYOUT is a preset (`swiftlet layout --list`), a layout file in JSON, what lspci -vvv printed, the kernel's log, or a \
            directory as /sys/bus/pci/devices; files have a slash or a dot in their names, and - is standard input. No KVM is \
            needed. A hex dump (lspci -xxx) does not tell the sizes of BARs: give them with --size. The exit status is 1 if a \
            budget is exceeded.

            Examples:
              swiftlet plan full-bus --kernel 4.0
              sudo lspci -vvv | swiftlet plan - --exclude 00:02.0 --memory 64G --iommu amd
              sudo swiftlet plan /sys/bus/pci/devices --only 01:00.0 --kernel host
            """
    )

    @Argument(help: ArgumentHelp("A preset, a layout file or a dump.", valueName: "layout"))
    var layout: String

    @OptionGroup var options: PolicyOptions

    @Option(
        help: ArgumentHelp(
            "Plan for this version of Linux, from 2.6.32 on, instead of a new one, or for this host (`host`), whose KVM is then asked and measured.",
            valueName: "version|host"))
    var kernel: KernelChoice?

    @Option(help: ArgumentHelp("Guest-physical address bits, 36 to 52, unless the host tells.", valueName: "n"))
    var addressBits: Int?

    @Option(
        help: ArgumentHelp(
            "RAM of the guest, which takes addresses and is pinned; its slots are not counted.", valueName: "size"))
    var memory: Quantity?

    @Option(help: ArgumentHelp("Leave free what this IOMMU keeps for itself.", valueName: "iommu"))
    var iommu: PlanningHost.IOMMU?

    @Option(help: ArgumentHelp("Pages of the host: 4K, 16K or 64K.", valueName: "size"))
    var hostPages: Quantity?

    @Flag(help: "Print the functions and their BARs with commas, a line each.")
    var csv = false

    @Flag(
        help: "Print also the history of the limits, budgets that concern few users, and advice to makers of devices.")
    var verbose = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let addressBits, !PlanningHost.addressBits.contains(addressBits) {
            throw ValidationError("--address-bits \(addressBits): there are 36 to 52 of them.")
        }
        if let pages = hostPages?.value, ![4 << 10, 16 << 10, 64 << 10].contains(pages) {
            throw ValidationError("--host-pages \(pages): pages have 4K, 16K or 64K.")
        }
        if let memory, memory.value % Page.size != 0 || memory.value > 1 << 50 {
            throw ValidationError(
                "--memory \(memory.value): RAM consists of pages of 4096 bytes, and is 1024T at most.")
        }
        if csv, output.json { throw ValidationError("--csv and --json: choose one.") }
    }

    func run() throws {
        let map = try options.mapFile(beside: layout)
        let (layout, warnings) = try LayoutArgument(name: layout).load(
            options.dump.selection, isShown: { !csv && !output.json && $0.isLack })
        if case .version(let version) = kernel, !version.isKnown {
            complain(
                "--kernel \(version): no such version is known, and the last one is \(KernelVersion.newestKnown): planned with the "
                    + "slots of Linux \(SlotEra.of(version).name)")
        }
        var host = try kernel?.host() ?? PlanningHost()
        if let addressBits { host.physicalAddressBits = addressBits }
        if let iommu { host.iommu = iommu }
        if let hostPages { host.pageSize = hostPages.value }
        let plan: Plan
        do throws(PlanError) {
            plan = try Plan(
                layout, memory: memory?.value ?? 0, policy: options.slots, host: host, choices: options.board.choices)
        } catch {
            switch error {
            case .board(let board):
                let advice = MachineError.board(board).advice.map { ": \($0)" } ?? ""
                throw failure("\(layout.name): \(error)\(advice)", .usage)
            case .assignment:
                throw failure(
                    "\(layout.name): it cannot be placed, not even in an address space without an end: \(error)",
                    .badInput)
            }
        }
        let width = FileBytes.columns(of: FileBytes.standardOutput)
        let text = PlanText(plan: plan, warnings: warnings, isVerbose: verbose, width: width)
        try map?.write(
            MemoryMap(
                plan.memory, title: options.drawing.title ?? "\(layout.name), \(plan.policy.rawValue), planned",
                names: layout.functionNames, verdict: text.verdict
            ).document(for: options.drawing.map))
        try output.show(PlanReport(plan, warnings: warnings), csv ? PlanTable.csv(of: plan) : text.text)
        if !plan.fits {
            throw ExitCode(ExitStatus.checkFailed.rawValue)
        }
    }
}

/// The value of `--kernel`: a version, or this host.
enum KernelChoice: ExpressibleByArgument {
    case version(KernelVersion)
    case host

    init?(argument: String) {
        if argument == "host" {
            self = .host
        } else if let version = KernelVersion(text: argument) {
            self = .version(version)
        } else {
            return nil
        }
    }

    /// Returns the limits to plan with. For this host, its KVM and its kernel are asked.
    func host() throws -> PlanningHost {
        var host = PlanningHost()
        switch self {
        case .version(let version): host.slots = SlotEra.of(version).slots
        case .host:
            let probe = try HostProbe.run()
            host.slots = probe.slotLimit
            host.physicalAddressBits = probe.physicalAddressBits
            host.costs.createMicroseconds = probe.slotCosts.createMicroseconds
            host.costs.deleteMicroseconds = probe.slotCosts.deleteMicroseconds
            host.mappedAreas = KernelLimits.mappedAreas ?? host.mappedAreas
            host.openFiles = KernelLimits.openFiles ?? host.openFiles
            host.lockedMemory = KernelLimits.lockedMemory
            host.controlGroupMemory = KernelLimits.controlGroup()?.limit
            host.mmu = .ofHost
            let iommus = HostDirectory.names(in: "/sys/class/iommu") ?? []
            host.iommu = iommus.contains { $0.hasPrefix("ivhd") } ? .amd : iommus.isEmpty ? .none : .intel
        }
        return host
    }
}
