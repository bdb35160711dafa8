import ArgumentParser
import Images
import Machine
import Memslots
import PCI

/// The options of `run`. None of them has a default value here. For a default value the library makes a description, and looks
/// for conformances at run time to do so, even if nobody asks for help.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        // This command is also parsed alone, not as a subcommand. See `SwiftletCommand.guestRun`.
        _superCommandName: "swiftlet",
        abstract: "Boot a guest.",
        discussion: """
            GUEST is the name of a built-in guest (`swiftlet guests` lists them) or, with a slash in it, a file: a multiboot \
            kernel, a Linux kernel (bzImage), a kernel with a PVH entry, ELF for i386 or x86-64, or a flat binary. What the guest prints goes to standard output, what you type to \
            its serial port. - is a file that is read from standard input; the serial port's input then ends at once.

            A multiboot kernel, such as kvm-unit-tests builds, gets 128M, the in-kernel interrupt controllers, the command line \
            "GUEST ARGUMENTS" and its modules, each with the string "FILE ARGUMENTS".

            A Linux kernel gets 512M, ACPI tables, the initial RAM disk, and --append as it stands as its command line, or \
            "console=ttyS0" without it.

            --map draws guest memory as it is at boot.

            The exit status is the guest's own: it writes v to port 0xf4 and the run ends with v. A reset ends it with 0, and so \
            do power-off and, where there are no interrupt controllers, HLT. A triple fault, a panic of Linux or a halt that \
            nothing ends gives 70, the end of \
            time 124, Ctrl-C and gdb's kill 130; wrong usage gives 64, a file that cannot be used 65, a host without \
            KVM 69, what else the host refuses 70. A guest may end with these numbers too: "outcome" in the report tells.

            Examples:
              swiftlet run
              swiftlet run echo
              swiftlet run --mode real --timeout 1s ./boot.bin
              make -s image | swiftlet run -
              swiftlet run ./vmlinuz --initrd ./initrd --layout server.lspci
              swiftlet run ./vmexit.flat --append cpuid --device pci-testdev
            """
    )

    @Argument(
        help: ArgumentHelp("A built-in guest, a file, or - for standard input. (default: hello)", valueName: "guest"))
    var guest: String?

    @Option(help: ArgumentHelp("What to take the file for, whatever it looks like.", valueName: "format"))
    var format: Image.Reading?

    @Option(help: ArgumentHelp("The arguments of a kernel.", valueName: "arguments"))
    var append: String?

    @Option(
        name: .customLong("module"),
        help: ArgumentHelp("A file for a multiboot or PVH kernel; repeat for more.", valueName: "file[=arguments]"))
    var modules: [ModuleArgument] = []

    @Option(help: ArgumentHelp("The initial RAM disk of a Linux or PVH kernel.", valueName: "file"))
    var initrd: String?

    @Option(
        help:
            "RAM: 4K, 16M, 2G or bytes. (default: what the guest needs, 512M for Linux and PVH, 128M for multiboot kernels, 16M for other files)"
    )
    var memory: Quantity?

    @Option(help: ArgumentHelp("The mode in which a flat file starts. (default: long)", valueName: "mode"))
    var mode: CPUMode?

    @Option(help: ArgumentHelp("Where a flat file is loaded and started. (default: 0x10000)", valueName: "address"))
    var loadAddress: Quantity?

    @Option(
        help: ArgumentHelp(
            "General registers of a flat or ELF file, beside those that say how large the machine is: ax=2,bx=0x10.",
            valueName: "name=value"))
    var registers: RegistersArgument?

    @Option(help: ArgumentHelp("vCPUs. (default: what the guest needs, 1 for files)", valueName: "n"))
    var vcpus: Int?

    @Option(
        help: ArgumentHelp(
            "Features of the processors to add or take away, by their names in /proc/cpuinfo: --cpu=-x2apic,+pcid.",
            valueName: "features"))
    var cpu: CPUArgument?

    @Option(
        help: ArgumentHelp(
            "Interrupt controllers; without them HLT ends the run. (default: what the guest needs; for files kernel with several vCPUs or a boot protocol)",
            valueName: "controller"))
    var irqchip: InterruptController?

    @Option(
        help: ArgumentHelp(
            "ACPI tables: off, on, or full with a PM timer and an SCI. (default: on for Linux and PVH, off for others)",
            valueName: "kind"))
    var acpi: ACPIKind?

    @Flag(help: "Add the timer of a PC (8254 PIT), which takes 15 ms at the end of the run.")
    var pit = false

    @Option(name: .customLong("device"), help: ArgumentHelp("Add a PCI device; repeat for more.", valueName: "device"))
    var devices: [DeviceArgument] = []

    @Option(
        name: .customLong("vfio"),
        help: ArgumentHelp(
            "Assign a PCI function of this host, which needs the driver vfio-pci (`swiftlet vfio` tells more); repeat for more.",
            valueName: "function[,at=address]"))
    var vfio: [AssignedArgument] = []

    @Option(
        name: .customLong("vfio-user"),
        help: ArgumentHelp(
            "Add the PCI device that another process offers at this socket; repeat for more. docs/vfio-user.md has more.",
            valueName: "path[,at=00:05.0]"))
    var deviceProcesses: [DeviceProcessArgument] = []

    @Option(help: ArgumentHelp("Add the PCI functions of a layout: a preset or a file.", valueName: "layout"))
    var layout: String?

    @OptionGroup var dump: DumpOptions

    @Option(
        help: ArgumentHelp(
            "With --layout or --device: what becomes of a BAR's slots while decode is off. (default: strict)",
            valueName: "policy"))
    var decode: DecodePolicy?

    @Flag(
        help:
            "With --layout or --device: no addresses in BARs and decode off, as after reset, for a guest that assigns them."
    )
    var unassigned = false

    @OptionGroup var board: BoardOptions

    @Option(
        help: ArgumentHelp(
            "When a change of what a function decodes is not possible: continue with the old value in the register, or stop. (default: continue)",
            valueName: "policy"))
    var onRefusal: RefusalPolicy?

    @Option(
        help: ArgumentHelp(
            "How mappings become slots: one each, or shared by neighbours. (default: separate)", valueName: "policy"))
    var slots: SlotPolicy?

    @Flag(
        help:
            "Start even if the memory slots take more than half of the host's available memory in the kernel, or if Linux cannot boot because KVM emulates instructions."
    )
    var force = false

    @Option(
        help: ArgumentHelp("End the run after this time: 500ms, 1s, 2m; seconds without a unit.", valueName: "time"))
    var timeout: Duration?

    @Option(
        help: ArgumentHelp(
            "Serve gdb: unix:PATH, :PORT (on this host only) or a numerical ADDRESS:PORT. docs/debugging.md shows a session.",
            valueName: "address"))
    var gdb: DebugAddress?

    @Flag(help: "With --gdb: wait for gdb in front of the first instruction.")
    var gdbWait = false

    @Option(
        help: ArgumentHelp(
            "Take commands at this local socket while the guest runs, as `swiftlet control` sends them (docs/control.md).",
            valueName: "path"))
    var control: String?

    @Option(
        help: ArgumentHelp(
            "Whose exit status the guest's code means: swiftlet (the code), or kvm-unit-tests (twice the code and one). (default: swiftlet)",
            valueName: "whose"))
    var statusOf: StatusArgument?

    @Option(help: ArgumentHelp("Write a line for each exit to this file; - is standard error.", valueName: "file"))
    var trace: String?

    @Option(help: ArgumentHelp("End the trace at this size, such as 100M, and say so in it.", valueName: "size"))
    var traceLimit: Quantity?

    @Option(
        help: ArgumentHelp(
            "Write a line for each rule that the guest breaks when it uses PCI functions; - is standard error.",
            valueName: "file"))
    var lint: String?

    @OptionGroup var drawing: MapOptions

    @Option(help: ArgumentHelp("Write a report as JSON to this file; - is standard error.", valueName: "file"))
    var report: String?

    @OptionGroup var jail: JailOption

    func run() throws {
        try guestRun.run()
    }

    /// The run that the options ask for.
    var guestRun: GuestRun {
        GuestRun(
            guest: guest == "-" ? InputFile.standardInput : guest ?? GuestRun.defaultGuest, format: format,
            append: append, modules: modules, initrd: initrd,
            memory: memory, mode: mode, loadAddress: loadAddress, registers: registers, vcpus: vcpus, cpu: cpu,
            irqchip: irqchip, acpi: acpi, pit: pit, devices: devices, vfio: vfio, deviceProcesses: deviceProcesses,
            layout: layout, selection: dump.selection, decode: decode,
            unassigned: unassigned,
            board: board.choices, onRefusal: onRefusal, slots: slots, force: force, timeout: timeout, gdb: gdb,
            gdbWait: gdbWait, control: control,
            statusOf: statusOf, trace: trace, traceLimit: traceLimit, lint: lint, map: drawing.map,
            title: drawing.title, report: report,
            noJail: jail.noJail)
    }
}
