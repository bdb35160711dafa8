/// Why a vCPU came back from `KVM_RUN`.
public enum Exit: Equatable, Sendable {
    /// IN, OUT, INS or OUTS (`KVM_EXIT_IO`).
    case port(PortAccess)
    /// An access to guest-physical memory that no slot holds, or a write to a read-only slot (`KVM_EXIT_MMIO`).
    case memory(MemoryAccess)
    /// HLT, without an in-kernel interrupt controller (`KVM_EXIT_HLT`).
    case halt
    /// A triple fault (`KVM_EXIT_SHUTDOWN`).
    case shutdown
    /// A signal or immediate_exit ended the run (EINTR): an outcome, not an error.
    case interrupted
    /// The vCPU could take an interrupt now (`KVM_EXIT_IRQ_WINDOW_OPEN`).
    case interruptWindow
    /// The guest asked for a reset or the end (`KVM_EXIT_SYSTEM_EVENT`); the type as KVM numbers it.
    case systemEvent(UInt32)
    /// The processor refused the guest's state (`KVM_EXIT_FAIL_ENTRY`); the reason is the hardware's.
    case entryFailure(UInt64)
    /// KVM could not go on (`KVM_EXIT_INTERNAL_ERROR`); the suberror says why.
    case internalError(UInt32)
    /// An exit of the processor that KVM does not know (`KVM_EXIT_UNKNOWN`).
    case unknown(UInt64)
    /// `KVM_RUN` itself failed, with this errno: EFAULT, where guest memory has no host memory behind it.
    case failure(Int32)
    /// A step ended, or the vCPU met a breakpoint or watchpoint of `VirtualCPU.setGuestDebug` (`KVM_EXIT_DEBUG`).
    case debug(DebugExit)
    /// Any other exit, by its number in `<linux/kvm.h>`.
    case unsupported(UInt32)

    /// The suberror of an instruction that KVM's emulator does not know (`KVM_INTERNAL_ERROR_EMULATION`).
    public static let emulationFailure: UInt32 = 1
}

/// An access to an I/O port; string instructions move several units at once, all through the same port.
///
/// The data stays with the vCPU: see `VirtualCPU.portUnit` and `VirtualCPU.setPortUnit`.
public struct PortAccess: Equatable, Sendable {
    public var port: UInt16
    /// Bytes of a unit: 1, 2 or 4.
    public var size: UInt8
    public var isOutput: Bool
    /// Units moved.
    public var count: UInt32 = 1
}

/// An access to guest-physical memory that is not backed; what is read is answered by `VirtualCPU.setMemoryValue`.
public struct MemoryAccess: Equatable, Sendable {
    public var address: UInt64
    /// Bytes, 1 to 8; not always a power of two, for KVM splits accesses at page boundaries.
    public var size: UInt32
    public var isWrite: Bool
    /// What is written, little-endian and zero-extended; 0 for reads.
    public var value: UInt64 = 0
}

/// The reason of a debug exit.
public struct DebugExit: Equatable, Sendable {
    /// The vector: 1 (#DB) after a step or for a debug register, 3 (#BP) for a breakpoint instruction.
    public var exception: UInt32
    /// DR6: bits 0 to 3 name debug registers, bit 14 a step (SDM volume 3B, 18.2.3).
    public var status: UInt64

    /// Whether a breakpoint instruction was met.
    public var isBreakpointInstruction: Bool { exception == 3 }
    /// Whether the vCPU has made a step.
    public var isStep: Bool { exception == 1 && status & 1 << 14 != 0 }
    /// The number of the debug register that was met, or nil.
    public var debugRegister: Int? {
        exception == 1 ? (0..<4).first { status & 1 << UInt64($0) != 0 } : nil
    }
}

extension Exit: CustomStringConvertible {
    /// One line for traces and reports.
    public var description: String {
        switch self {
        case .port(let access):
            "\(access.isOutput ? "out" : "in") port \(hexadecimal(access.port)), \(bytes(access.size))"
                + (access.count == 1 ? "" : ", \(access.count) times")
        case .memory(let access):
            "\(access.isWrite ? "write" : "read") memory \(hexadecimal(access.address)), \(bytes(access.size))"
                + (access.isWrite ? " <- \(hexadecimal(access.value))" : "")
        case .halt: "hlt"
        case .shutdown: "shutdown"
        case .interrupted: "interrupted"
        case .interruptWindow: "interrupt window"
        case .systemEvent(let type): "system event \(type)"
        case .entryFailure(let reason): "entry failure \(hexadecimal(reason))"
        case .internalError(let suberror): "internal error \(suberror)"
        case .unknown(let reason): "unknown exit \(hexadecimal(reason))"
        case .failure(let errno): "KVM_RUN failed with errno \(errno)"
        case .debug(let debug): "debug exception \(debug.exception), status \(hexadecimal(debug.status))"
        case .unsupported(let reason): "unsupported exit \(reason)"
        }
    }

    private func hexadecimal(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }

    private func bytes(_ count: some BinaryInteger) -> String { "\(count) byte\(count == 1 ? "" : "s")" }
}
