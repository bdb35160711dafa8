internal import CKVM

/// The conditions under which a vCPU exits for a debugger (`KVM_SET_GUEST_DEBUG`).
public struct GuestDebug: Equatable, Sendable {
    /// An address that a debug register watches.
    public struct Watch: Hashable, Sendable {
        /// The kind of access for which a debug register watches. The numbers are those of the R/W fields of DR7 (SDM volume 3B,
        /// 18.2.4).
        public enum Access: UInt64, Sendable {
            /// The execution of an instruction that begins at the address.
            case execution = 0
            /// A write to one of the bytes.
            case write = 1
            /// A read or a write of one of the bytes.
            case readOrWrite = 3
        }

        /// The linear address. It must be a multiple of the size.
        public var address: UInt64
        /// The number of bytes: 1, 2, 4 or 8. It must be 1 for `execution`.
        public var size: UInt64
        /// The kind of access for which the register watches.
        public var access: Access

        /// Creates a watch. Without other arguments it is a breakpoint for one instruction.
        public init(address: UInt64, size: UInt64 = 1, access: Access = .execution) {
            self.address = address
            self.size = size
            self.access = access
        }
    }

    /// The number of debug registers that hold addresses.
    public static let registerCount = 4

    /// Whether the vCPU exits after each instruction.
    public var steps = false
    /// Whether interrupts are held back while these conditions are set, if KVM can do that (KVM_GUESTDBG_BLOCKIRQ, since Linux 5.15).
    public var holdsInterrupts = false
    /// Whether a breakpoint instruction exits. Otherwise it raises #BP in the guest.
    public var takesBreakpointInstructions = false
    /// The addresses that debug registers watch, at most four. If there are any, the guest's own debug registers have no effect.
    public var watches: [Watch] = []

    /// Creates conditions under which a vCPU never exits for a debugger.
    public init() {}

    /// The flags for `KVM_SET_GUEST_DEBUG`.
    var control: UInt32 {
        guard self != GuestDebug() else { return 0 }
        return UInt32(KVM_GUESTDBG_ENABLE) | (steps ? UInt32(KVM_GUESTDBG_SINGLESTEP) : 0)
            | (takesBreakpointInstructions ? UInt32(KVM_GUESTDBG_USE_SW_BP) : 0)
            | (watches.isEmpty ? 0 : UInt32(KVM_GUESTDBG_USE_HW_BP))
    }

    /// The value of DR7: the bits G, R/W and LEN of each register in use, bit 10, which is always set, and GE.
    var dr7: UInt64 {
        watches.prefix(Self.registerCount).enumerated().reduce(0x600) { dr7, watch in
            let (number, watch) = (UInt64(watch.offset), watch.element)
            let length: UInt64 = [1: 0, 2: 1, 8: 2, 4: 3][watch.size] ?? 0
            return dr7 | 2 << (2 * number) | (watch.access.rawValue | length << 2) << (16 + 4 * number)
        }
    }
}
