public import Memslots

/// How a run ended.
public enum Outcome: Equatable, Sendable {
    /// The guest wrote this to the exit port.
    case exited(UInt32)
    /// HLT without an interrupt controller.
    case halted
    /// A triple fault.
    case shutdown
    /// KVM or the processor could not go on; the text says why.
    case internalError(String)
    /// The time was over.
    case timeout
    /// The user's signal, by number.
    case interrupted(Int32)

    /// The name in reports.
    public var name: String {
        switch self {
        case .exited: "exited"
        case .halted: "halted"
        case .shutdown: "shutdown"
        case .internalError: "internalError"
        case .timeout: "timeout"
        case .interrupted: "interrupted"
        }
    }

    /// The exit status of `swiftlet run`.
    public var exitCode: Int32 {
        switch self {
        case .exited(let value):
            // A failure that the low byte would hide is still one.
            value != 0 && value & 0xff == 0 ? 1 : Int32(value & 0xff)
        case .halted: 0
        case .shutdown, .internalError: 70
        case .timeout: 124
        case .interrupted: 130
        }
    }

    /// Whether the guest ended by its own will.
    public var isOrderly: Bool {
        switch self {
        case .exited, .halted: true
        case .shutdown, .internalError, .timeout, .interrupted: false
        }
    }

    /// Whether the guest did what nobody can go on from.
    public var isFault: Bool {
        switch self {
        case .shutdown, .internalError: true
        case .exited, .halted, .timeout, .interrupted: false
        }
    }
}

extension Outcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .exited(let value): "the guest exited with \(value)"
        case .halted: "the guest halted"
        case .shutdown: "triple fault"
        case .internalError(let text): text
        case .timeout: "the time limit was reached"
        case .interrupted(let signal): "interrupted by signal \(signal)"
        }
    }
}

/// How often and why vCPUs came back from KVM_RUN.
public struct ExitCounts: Codable, Equatable, Sendable {
    public var pio = 0
    public var mmio = 0
    public var hlt = 0
    public var irqWindow = 0
    public var other = 0
}

/// The beginning of a phase of the guest's work.
public struct PhaseMark: Hashable, Sendable {
    /// The number that the guest gave it.
    public let phase: UInt8
    /// Edits of slots until then.
    public let edits: EditCounts
    /// Since the first vCPU first entered KVM_RUN.
    public let time: Duration
}

/// What a run was like.
public struct RunReport: Sendable {
    public let outcome: Outcome
    public let exits: ExitCounts
    /// Reads and writes that no device answered.
    public let unclaimedAccesses: UInt64
    public let slotCount: Int
    public let slotCapacity: Int
    public let slotLimit: Int
    /// The changes that could not be.
    public let refusals: Refusals
    /// The vCPUs whose threads did not come back from a device within the limit, by their APIC ids.
    public let leftBehind: [UInt32]
    /// The phases that the guest has begun.
    public let phases: [PhaseMark]
    /// When the first vCPU first entered KVM_RUN.
    public let firstRun: SuspendingClock.Instant
    /// From there to the end.
    public let duration: Duration
    /// The state of the vCPUs, where the guest did not end by its own will: the one that ended the run first.
    public let vcpus: [VCPUState]
}
