import Host
import Images
import KVM
import Laboratory
import Machine
import Memslots

/// The report of a run as `--report` writes it. guests/README.md lists its keys.
struct RunReportJSON: Codable, Equatable {
    private(set) var schema = 1
    let guest: String
    let outcome: String
    /// The outcome in words.
    let reason: String
    let exitCode: Int32
    let exits: ExitCounts
    let unclaimedAccesses: UInt64
    /// The number of impossible changes of what functions decode.
    let refusedChanges: Int
    /// The first of these changes. Each has its function, the register that keeps its value if the change was one of a
    /// register, the written value, the rule and the reason.
    let refusedChangeList: [[String: String]]
    /// The functions whose devices were lost, each with the reason.
    let lostFunctionList: [[String: String]]
    /// The vCPUs whose device did not let them go at the end.
    let leftBehind: [UInt32]
    /// The exits of each vCPU.
    let vcpuExits: [ExitCounts]
    /// The states of the vCPUs, if the guest did not end the run.
    let vcpus: [StateJSON]
    /// The count of slots, the capacity of the machine's slot table so far, and its limit.
    let slots: [String: Int]
    let microsecondsToFirstRun: Int64
    let wallSeconds: Double
    /// The most memory that the monitor itself had resident: VmHWM minus the resident guest memory.
    let peakRSSBytes: UInt64

    /// The host memory behind the RAM.
    let ram: RAM

    struct RAM: Codable, Equatable {
        /// `file` or `anonymous`.
        let kind: String
        let residentBytes: UInt64
        let hugePageBytes: UInt64
    }

    init(guest: String, _ report: RunReport, symbols: SymbolTable?, ram: (isFile: Bool, use: MemoryUse)) throws {
        self.guest = guest
        outcome = report.outcome.name
        reason = "\(report.outcome)"
        exitCode = report.outcome.exitCode
        exits = report.exits
        unclaimedAccesses = report.unclaimedAccesses
        refusedChanges = report.refusals.count
        refusedChangeList = report.refusals.list.map { refusal in
            [
                "function": "\(refusal.function)", "register": refusal.register.map(hexadecimal),
                "value": hexadecimal(refusal.value), "rule": refusal.rule, "reason": refusal.reason,
            ].compactMapValues { $0 }
        }
        lostFunctionList = report.losses.map { ["function": "\($0.function)", "reason": $0.reason] }
        leftBehind = report.leftBehind
        vcpuExits = report.exitsByVCPU
        vcpus = report.vcpus.map { StateJSON($0, symbols) }
        slots = ["count": report.slotCount, "capacity": report.slotCapacity, "limit": report.slotLimit]
        microsecondsToFirstRun = (report.firstRun - SwiftletCommand.processStart).nanoseconds / 1000
        wallSeconds = report.duration.inSeconds
        let figures = try KernelFigures.ofProcess()
        self.ram = RAM(
            kind: ram.isFile ? "file" : "anonymous", residentBytes: ram.use.resident, hugePageBytes: ram.use.inHugePages
        )
        let resident = (figures.bytes("RssShmem") ?? 0) + (ram.isFile ? 0 : ram.use.resident)
        let peak = figures.bytes("VmHWM") ?? 0
        peakRSSBytes = peak - min(peak, resident)
    }

    /// The state of a vCPU. Numbers are hexadecimal strings.
    struct StateJSON: Codable, Equatable {
        let id: UInt32
        /// Whether nobody started the vCPU. In that case, the other members mean nothing.
        let neverStarted: Bool
        /// Whether the vCPU waits in HLT.
        let halted: Bool
        let mode: String
        let rip: String
        /// The symbol at `rip` with the offset from it, if the guest's file has one.
        let symbol: String?
        let exception: String?
        let instruction: String
        let registers: [String: String]
        /// The words on top of the stack.
        let stack: [Word]

        struct Word: Codable, Equatable {
            let value: String
            let symbol: String?
        }

        init(_ state: VCPUState, _ symbols: SymbolTable?) {
            id = state.id
            neverStarted = state.wasNeverStarted
            halted = state.activity == .halted
            mode = state.modeName
            rip = hexadecimal(state.registers.rip)
            symbol = symbols?.name(at: state.instructionAddress)
            exception = state.exception
            instruction = state.instruction.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            registers = Dictionary(
                uniqueKeysWithValues: state.namedRegisters.map { ($0.name, hexadecimal($0.value)) })
            stack = state.stack.map { Word(value: hexadecimal($0), symbol: symbols?.name(at: $0)) }
        }
    }
}
