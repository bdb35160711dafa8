import ArgumentParser
import Board
import Host
import Images
import Laboratory
import Layouts
import Machine
import Memslots
import PCI
import Pictures
import SystemPackage

/// A run as the command line asks for it. If a member is nil, the guest's own choice counts, or the machine's. `RunCommand`
/// explains each option.
struct GuestRun: Equatable {
    var guest = defaultGuest
    var format: Image.Reading?
    var append: String?
    var modules: [ModuleArgument] = []
    var initrd: String?
    var memory: Quantity?
    var mode: CPUMode?
    var loadAddress: Quantity?
    var registers: RegistersArgument?
    var vcpus: Int?
    var cpu: CPUArgument?
    var irqchip: InterruptController?
    var acpi: ACPIKind?
    var pit = false
    var devices: [DeviceArgument] = []
    var vfio: [AssignedArgument] = []
    var deviceProcesses: [DeviceProcessArgument] = []
    var layout: String?
    /// The selection from the layout.
    var selection = DumpSelection()
    var decode: DecodePolicy?
    var unassigned = false
    var board = AddressMap.Choices()
    var onRefusal: RefusalPolicy?
    var slots: SlotPolicy?
    var force = false
    var timeout: Duration?
    var gdb: DebugAddress?
    var gdbWait = false
    var control: String?
    var statusOf: StatusArgument?
    var trace: String?
    var traceLimit: Quantity?
    var lint: String?
    var map: String?
    var title: String?
    var report: String?
    var noJail = false
    /// Whether the guest has to be a Linux kernel (`layout --linux`).
    var needsLinux = false

    static let defaultGuest = "hello"
    /// The time that a run may take beyond its own limit, for making the machine and for ending it.
    static let patience = Duration.seconds(5)

    func run() throws {
        if let timeout { ProcessStart.end(after: timeout + Self.patience, status: Outcome.timeout.exitCode) }
        try InputFile.checkStandardInput(inputs.map { $0.path })
        let requested = try guestAndMachine()
        var files = OutputFiles(inputs: inputs)
        if traceLimit != nil, self.trace == nil { throw failure("--trace-limit bounds a trace: add --trace", .usage) }
        let trace = try files.open(self.trace, for: "--trace")
        let lint = try files.open(self.lint, for: "--lint")
        let map = try files.open(self.map, for: "--map", endings: MapOptions.endings)
        let report = try files.open(self.report, for: "--report")
        let console = Console()
        // If the guest itself comes from standard input, nothing of it is left for the console, which finds the end of its input.
        let input = guest == InputFile.standardInput ? try FileBytes.open("/dev/null") : FileBytes.standardInput
        let machine = try GuestMachine(
            requested.machine, image: requested.image, bytes: requested.bytes, trace: trace?.descriptor,
            lint: lint?.descriptor,
            catchesSignals: true,
            consoleOutput: console.write)
        if control == "" { throw failure("--control needs the name of a socket", .usage) }
        if gdbWait, gdb == nil { throw failure("--gdb-wait waits for a debugger: add --gdb", .usage) }
        try map?.write(MemoryMap(machine.memory, title: title ?? guest, names: requested.names).document(for: self.map))
        let debugger = try gdb.map { try serve(machine, at: $0) }
        let control = try control.map { try ControlService.serve(machine, at: $0) }
        defer { control?.stop() }
        if requested.image.wantsVideoMode {
            complain("\(guest): it asks for a video mode or a console, and there is no screen")
        }
        let result: RunReport
        let start = SuspendingClock.now
        do {
            // The deadline is set anew, because making the machine may have taken its part of the time.
            if let timeout { ProcessStart.end(after: timeout + Self.patience, status: Outcome.timeout.exitCode) }
            if !noJail { try Jail.enter(for: control == nil ? .run : .addsFunctions) }
            result = try machine.run(timeout: timeout, input: input)
        } catch {
            debugger?.finish(status: ExitStatus.hostError.rawValue)
            throw error
        }
        control?.stop()
        debugger?.finish(status: result.outcome.exitCode)
        if let timeout {
            let left = max(.seconds(1), start + timeout - .now)
            ProcessStart.end(after: left, status: (result.outcome.isOrderly ? .timeout : result.outcome).exitCode)
        }
        // The report is written first, because the later steps may wait for a reader of the output.
        let symbols = result.vcpus.isEmpty ? nil : SymbolTable(requested.bytes)
        try report?.write(encodeJSON(RunReportJSON(guest: guest, result, symbols: symbols, ram: try machine.ramUse())))
        if result.lossOfTrace == nil { try trace?.finish() }
        if result.lossOfLint == nil { try lint?.finish() }
        let screen = console.hasPrinted || requested.coversTextScreen ? nil : machine.textScreen
        explain(result, of: requested, symbols, isSilent: !console.hasPrinted && screen == nil)
        if let screen {
            complain("\(guest) wrote to the text screen at 0xb8000 and to no port; this is what lies there:")
            console.write(Array("\(screen)\n".utf8)) { false }
        }
        // A refusal that ended the run has already been reported.
        if requested.machine.onRefusal == .continue, let first = result.refusals.list.first {
            complain("\(guest): \(Figures.count(result.refusals.count, "refused change")); the first: \(first)")
        }
        for loss in result.losses { complain("\(guest): \(loss)") }
        for vcpu in result.leftBehind {
            complain("\(guest): vCPU \(vcpu) was left behind in a device that did not let it go")
        }
        var lost: [ExitCode] = []
        if let error = result.lossOfLint {
            lost.append(failure("some of what --lint found could not be written: \(error)", .hostError))
        }
        if let error = result.lossOfTrace {
            lost.append(failure("some of the trace could not be written: \(error)", .hostError))
        }
        if result.outcome.isOrderly || screen != nil, let error = console.finish() {
            lost.append(failure("some of what the guest printed could not be written: \(error)", .hostError))
            if error == .brokenPipe { ProcessStart.endByBrokenPipe() }
        }
        throw result.outcome.isOrderly && !lost.isEmpty ? lost[0] : ExitCode(result.outcome.exitCode)
    }

    /// The files that the run reads, each with a word for what it is.
    private var inputs: [(path: String, kind: String)] {
        (isFile ? [(guest, "the guest")] : []) + modules.map { ($0.path, "a module") }
            + (initrd.map { [($0, "the initial RAM disk")] } ?? [])
            + (layout.map { [($0, "the layout")] } ?? [])
    }

    /// Says how the run ended, unless the guest ended it by its own will and through an exit port. If the guest is a file that
    /// did nothing useful, says what may be wrong with it.
    private func explain(_ result: RunReport, of requested: RequestedMachine, _ symbols: SymbolTable?, isSilent: Bool) {
        let exits = result.exits
        let hasStopped = result.outcome == .halted && isSilent && exits.pio + exits.mmio <= Self.fewExits
        guard !result.outcome.isOrderly || [.reset, .poweredOff].contains(result.outcome) || hasStopped else { return }
        var text = "\(guest): \(result.ending(symbols: symbols))"
        let isGuess = isFile && requested.image.format == .flat && format == nil && mode == nil && loadAddress == nil
        if isGuess, result.outcome.isFault || hasStopped {
            text +=
                "\n\(guest) is neither ELF nor a multiboot kernel, so its bytes were run in \(requested.machine.mode.rawValue) mode "
                + "at \(MachineConfiguration.defaultLoadAddress), and it printed \(isSilent ? "nothing" : "something"). If it was "
                + "linked for another mode or address, --mode and --load-address say so; --format says what else it may be"
        } else if hasStopped {
            return
        }
        complain(text)
    }

    /// The largest number of device accesses with which a guest can hardly have done what it was made for.
    private static let fewExits = 8
}

extension GuestRun {
    /// Makes a run from arguments without options, which need no parser. Nil if there are options.
    init?(withoutOptions arguments: ArraySlice<String>) {
        guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else { return nil }
        self.init(guest: arguments.first ?? Self.defaultGuest)
    }
}

/// The guest's console on standard output. It remembers whether all output was written.
private final class Console: Sendable {
    private struct State: Sendable {
        /// Whether the guest has printed anything.
        var hasPrinted = false
        /// The output that could not be written before the run ended.
        var rest: [UInt8] = []
        /// The first error with which output could not be written at all.
        var error: Errno?
    }

    private let state = Lock(State())
    private let main = HostThread.current

    /// Whether the guest has printed anything.
    var hasPrinted: Bool { state.withLock { $0.hasPrinted } }

    /// Writes output of the guest. One thread at a time calls it.
    @Sendable func write(_ bytes: [UInt8], isCancelled: () -> Bool) {
        if !bytes.isEmpty { state.withLock { $0.hasPrinted = true } }
        // The main thread writes only after the report, in `finish`.
        if HostThread.current == main {
            state.withLock { $0.rest += bytes }
        } else {
            writeAll(bytes, isCancelled: isCancelled)
        }
    }

    private func writeAll(_ bytes: [UInt8], isCancelled: () -> Bool) {
        let all = state.withLock { $0.rest } + bytes
        let (count, error) = FileBytes.write(all, to: FileBytes.standardOutput, isCancelled: isCancelled)
        state.withLock { state in
            state.rest = error == nil ? Array(all[count...]) : []
            state.error = state.error ?? error
        }
    }

    /// Writes the rest of the output, however long its reader takes.
    ///
    /// - Returns: The reason why not all output has been written. Nil if all of it has been.
    func finish() -> Errno? {
        writeAll([]) { false }
        return state.withLock { $0.error }
    }
}
