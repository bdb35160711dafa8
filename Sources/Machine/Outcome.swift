public import Images
public import Memslots
public import SystemPackage

/// The way in which a run ended.
public enum Outcome: Equatable, Sendable {
    /// The guest wrote this value to the exit port.
    case exited(UInt32)
    /// The guest reset the machine.
    case reset
    /// The guest switched the machine off.
    case poweredOff
    /// The Linux kernel of the guest reported with these words that it cannot go on.
    case panicked(String)
    /// The guest executed HLT and has no interrupt controller.
    case halted
    /// All vCPUs have executed HLT while interrupts were off, or were never started, and nothing can wake them.
    case haltedForGood
    /// The guest met a triple fault.
    case shutdown
    /// KVM or the processor could not go on, or a refusal ended the run. The text says why.
    case internalError(String)
    /// KVM_RUN failed with this error.
    case kvmFailure(Errno)
    /// The time limit was reached.
    case timeout
    /// The run was stopped, by `GuestMachine.stop`, a debugger or the control socket.
    case stopped
    /// The user ended the run by a signal with this number.
    case interrupted(Int32)

    /// The name of the outcome in reports.
    public var name: String {
        switch self {
        case .exited: "exited"
        case .reset: "reset"
        case .poweredOff: "poweredOff"
        case .panicked: "panicked"
        case .halted: "halted"
        case .haltedForGood: "haltedForGood"
        case .shutdown: "shutdown"
        case .internalError, .kvmFailure: "internalError"
        case .timeout: "timeout"
        case .stopped: "stopped"
        case .interrupted: "interrupted"
        }
    }

    /// The exit status of `swiftlet run`.
    public var exitCode: Int32 {
        switch self {
        case .exited(let value):
            // A value that is not 0 is a failure, even if its low byte is 0.
            value != 0 && value & 0xff == 0 ? 1 : Int32(value & 0xff)
        case .reset, .poweredOff, .halted: 0
        case .panicked, .haltedForGood, .shutdown, .internalError, .kvmFailure: 70
        case .timeout: 124
        case .stopped, .interrupted: 130
        }
    }

    /// Whether the guest ended by its own will.
    public var isOrderly: Bool {
        switch self {
        case .exited, .reset, .poweredOff, .halted: true
        case .panicked, .haltedForGood, .shutdown, .internalError, .kvmFailure, .timeout, .stopped, .interrupted: false
        }
    }

    /// Whether the guest cannot go on after this.
    public var isFault: Bool {
        switch self {
        case .shutdown, .internalError, .kvmFailure: true
        case .exited, .reset, .poweredOff, .panicked, .halted, .haltedForGood, .timeout, .stopped, .interrupted: false
        }
    }
}

extension Outcome: CustomStringConvertible {
    /// The way in which the run ended, in words.
    public var description: String {
        switch self {
        case .exited(let value): "the guest exited with \(value)"
        case .reset: "the guest reset the machine"
        case .poweredOff: "the guest switched the machine off"
        case .panicked(let reason): "the guest's kernel panicked: \(reason)"
        case .halted: "the guest halted"
        case .haltedForGood: "the guest halted for good: all its vCPUs have executed HLT with interrupts off"
        case .shutdown: "triple fault"
        case .internalError(let text): text
        case .kvmFailure(let errno): "KVM_RUN failed: \(errno) [errno \(errno.rawValue)]"
        case .timeout: "the time limit was reached"
        case .stopped: "the run was stopped"
        case .interrupted(let signal): "interrupted by signal \(signal)"
        }
    }
}

/// The exits of all vCPUs by kind.
public struct ExitCounts: Codable, Equatable, Sendable {
    /// Accesses to ports.
    public var pio = 0
    /// Accesses to memory that is not mapped, and writes to read-only memory.
    public var mmio = 0
    /// Executions of HLT without an interrupt controller.
    public var hlt = 0
    /// Exits because the guest can take interrupts.
    public var irqWindow = 0
    /// All other exits, those by signals included.
    public var other = 0

    static func + (one: ExitCounts, two: ExitCounts) -> ExitCounts {
        ExitCounts(
            pio: one.pio + two.pio, mmio: one.mmio + two.mmio, hlt: one.hlt + two.hlt,
            irqWindow: one.irqWindow + two.irqWindow, other: one.other + two.other)
    }
}

/// The beginning of a phase of the guest's work.
public struct PhaseMark: Hashable, Sendable {
    /// The number that the guest has given the phase.
    public let phase: UInt8
    /// The edits of slots before the phase began.
    public let edits: EditCounts
    /// The time since the first vCPU first entered KVM_RUN.
    public let time: Duration
}

/// The report of a run.
public struct RunReport: Sendable {
    /// The way in which the run ended.
    public let outcome: Outcome
    /// The exits of all vCPUs by kind.
    public var exits: ExitCounts { exitsByVCPU.reduce(ExitCounts(), +) }
    /// The number of reads and writes that no device and no function answered.
    public let unclaimedAccesses: UInt64
    /// The number of slots that KVM held at the end.
    public let slotCount: Int
    /// The number of slots for which the table had room.
    public let slotCapacity: Int
    /// The number of slots that KVM allows.
    public let slotLimit: Int
    /// The refused changes of what functions decode.
    public let refusals: Refusals
    /// The functions that ended because their devices were lost.
    public let losses: [FunctionLoss]
    /// The vCPUs that were left behind because a device kept their threads after the end of the run, by APIC id.
    public let leftBehind: [UInt32]
    /// The reason why lines of the trace could not be written, or nil if all were.
    public let lossOfTrace: Errno?
    /// The reason why lines of the check of drivers could not be written, or nil if none was lost.
    public let lossOfLint: Errno?
    /// The phases that the guest has begun.
    public let phases: [PhaseMark]
    /// The time at which the first vCPU first entered KVM_RUN.
    public let firstRun: SuspendingClock.Instant
    /// The time from `firstRun` to the end of the run.
    public let duration: Duration
    /// The states of the vCPUs if the guest did not end by its own will. The vCPU that ended the run comes first.
    public let vcpus: [VCPUState]
    /// The exits of each vCPU by kind, in the order of the APIC ids.
    public let exitsByVCPU: [ExitCounts]

    /// Returns the way in which the run ended, for people, and the states of the vCPUs if the guest did not end the run.
    ///
    /// - Parameter symbols: The symbols of the guest's file.
    public func ending(symbols: SymbolTable? = nil) -> String {
        (["\(outcome)"]
            + vcpus.map { $0.text(symbols: symbols) }).joined(
                separator: "\n")
    }
}
