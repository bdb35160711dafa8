/// The reason why a vCPU came back from `KVM_RUN`.
public enum Exit: Equatable, Sendable {
    /// IN, OUT, INS or OUTS (`KVM_EXIT_IO`).
    case port(PortAccess)
    /// An access to guest-physical memory that no slot contains, or a write to a read-only slot (`KVM_EXIT_MMIO`).
    case memory(MemoryAccess)
    /// HLT, on a machine without in-kernel interrupt controllers (`KVM_EXIT_HLT`).
    case halt
    /// A triple fault (`KVM_EXIT_SHUTDOWN`).
    case shutdown
    /// A signal or `immediate_exit` ended the run (EINTR). That is an outcome, not an error.
    case interrupted
    /// The vCPU can now take an interrupt (`KVM_EXIT_IRQ_WINDOW_OPEN`).
    case interruptWindow
    /// The guest asked for a reset or for the end of the machine (`KVM_EXIT_SYSTEM_EVENT`). The number is KVM's type of the event.
    case systemEvent(UInt32)
    /// The processor refused the vCPU's state (`KVM_EXIT_FAIL_ENTRY`). The number is the hardware's reason.
    case entryFailure(UInt64)
    /// KVM could not go on (`KVM_EXIT_INTERNAL_ERROR`). The suberror says why.
    case internalError(UInt32)
    /// An exit of the processor that KVM does not know (`KVM_EXIT_UNKNOWN`). The number is the hardware's exit reason.
    case unknown(UInt64)
    /// `KVM_RUN` failed with this errno. EFAULT means that a guest page has no host memory behind it.
    case failure(Int32)
    /// A single step ended, or the vCPU met a breakpoint or watchpoint of `VirtualCPU.setGuestDebug` (`KVM_EXIT_DEBUG`).
    case debug(DebugExit)
    /// Another exit, by its number in `<linux/kvm.h>`.
    case unsupported(UInt32)

    /// The suberror for an instruction that KVM's emulator does not know (`KVM_INTERNAL_ERROR_EMULATION`).
    public static let emulationFailure: UInt32 = 1
}

/// An access to an I/O port. A string instruction moves several units in one exit, all through the same port.
///
/// The data stays in the vCPU's run structure: see `VirtualCPU.portUnit` and `VirtualCPU.setPortUnit`.
public struct PortAccess: Equatable, Sendable {
    /// The number of the port.
    public var port: UInt16
    /// The bytes of one unit: 1, 2 or 4.
    public var size: UInt8
    /// Whether the guest writes.
    public var isOutput: Bool
    /// The number of units.
    public var count: UInt32 = 1
}

/// An access to guest-physical memory that no slot contains, or a write to a read-only slot. `VirtualCPU.setMemoryValue` answers a
/// read.
public struct MemoryAccess: Equatable, Sendable {
    /// The guest-physical address of the first byte.
    public var address: UInt64
    /// The number of bytes, 1 to 8. It is not always a power of two, because KVM splits accesses at page boundaries.
    public var size: UInt32
    /// Whether the guest writes.
    public var isWrite: Bool
    /// The bytes that the guest writes, as a little-endian number extended with zeros. It is 0 for a read.
    public var value: UInt64 = 0
}

/// The reason of an exit for the debugger.
public struct DebugExit: Equatable, Sendable {
    /// The vector of the exception: 1 (#DB) after a step or for a debug register, 3 (#BP) for a breakpoint instruction.
    public var exception: UInt32
    /// DR6. Bits 0 to 3 stand for debug registers, bit 14 for a step (SDM volume 3B, 18.2.3).
    public var status: UInt64

    /// Whether the vCPU met a breakpoint instruction.
    public var isBreakpointInstruction: Bool { exception == 3 }
    /// Whether the vCPU has made a single step.
    public var isStep: Bool { exception == 1 && status & 1 << 14 != 0 }
    /// The number of the debug register whose breakpoint or watchpoint the vCPU met, or nil if it met none.
    public var debugRegister: Int? {
        exception == 1 ? (0..<4).first { status & 1 << UInt64($0) != 0 } : nil
    }
}

extension Exit: CustomStringConvertible {
    /// The exit as one line for traces and reports.
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
