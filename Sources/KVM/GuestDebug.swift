internal import CKVM

/// What makes a vCPU exit for a debugger (`KVM_SET_GUEST_DEBUG`).
public struct GuestDebug: Equatable, Sendable {
    /// An address that a debug register watches.
    public struct Watch: Hashable, Sendable {
        /// What is watched for, as in the field R/W of DR7 (SDM volume 3B, 18.2.4).
        public enum Access: UInt64, Sendable {
            case execution = 0
            case write = 1
            case readOrWrite = 3
        }

        /// A linear address: a multiple of the size.
        public var address: UInt64
        /// In bytes: 1, 2, 4 or 8. For instructions 1.
        public var size: UInt64
        public var access: Access

        public init(address: UInt64, size: UInt64 = 1, access: Access = .execution) {
            self.address = address
            self.size = size
            self.access = access
        }
    }

    /// The number of debug registers for addresses.
    public static let registerCount = 4

    /// Whether the vCPU exits after each instruction.
    public var steps = false
    /// Whether interrupts wait meanwhile, where KVM can hold them back (KVM_GUESTDBG_BLOCKIRQ, since Linux 5.15).
    public var holdsInterrupts = false
    /// Whether breakpoint instructions exit. Otherwise they raise #BP in the guest.
    public var takesBreakpointInstructions = false
    /// At most four addresses that debug registers watch. The guest's own debug registers do nothing meanwhile.
    public var watches: [Watch] = []

    public init() {}

    var control: UInt32 {
        guard self != GuestDebug() else { return 0 }
        return UInt32(KVM_GUESTDBG_ENABLE) | (steps ? UInt32(KVM_GUESTDBG_SINGLESTEP) : 0)
            | (takesBreakpointInstructions ? UInt32(KVM_GUESTDBG_USE_SW_BP) : 0)
            | (watches.isEmpty ? 0 : UInt32(KVM_GUESTDBG_USE_HW_BP))
    }

    /// DR7: for each register G, R/W and LEN; bit 10 is always set, and GE is.
    var dr7: UInt64 {
        watches.prefix(Self.registerCount).enumerated().reduce(0x600) { dr7, watch in
            let (number, watch) = (UInt64(watch.offset), watch.element)
            let length: UInt64 = [1: 0, 2: 1, 8: 2, 4: 3][watch.size] ?? 0
            return dr7 | 2 << (2 * number) | (watch.access.rawValue | length << 2) << (16 + 4 * number)
        }
    }
}
