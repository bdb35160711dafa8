/// What KVM_SET_USER_MEMORY_REGION is asked, as raw as the kernel sees it: a request may break every rule.
public struct SlotRequest: Hashable, Sendable {
    /// The slot id in the lower 16 bits, the address space in the upper 16.
    public var slot: UInt32
    public var flags: UInt32
    /// In bytes.
    public var guestAddress: UInt64
    /// In bytes; 0 deletes the slot.
    public var size: UInt64
    /// In bytes.
    public var hostAddress: UInt64

    public init(slot: UInt32, flags: UInt32 = 0, guestAddress: UInt64, size: UInt64, hostAddress: UInt64) {
        self.slot = slot
        self.flags = flags
        self.guestAddress = guestAddress
        self.size = size
        self.hostAddress = hostAddress
    }

    /// The request after which KVM holds `slot`.
    package init(holding slot: Memslot) {
        self.init(
            slot: UInt32(slot.id), flags: slot.flags.rawValue, guestAddress: slot.range.first.rawValue,
            size: slot.range.size, hostAddress: slot.host)
    }

    /// The request after which KVM no longer holds `slot`.
    package init(deleting slot: Memslot) {
        self.init(slot: UInt32(slot.id), guestAddress: slot.range.first.rawValue, size: 0, hostAddress: slot.host)
    }
}

extension SlotRequest: CustomStringConvertible {
    public var description: String {
        let address = slot >> 16 == 0 ? "" : " of address space \(slot >> 16)"
        return "slot \(slot & 0xffff)\(address), guest \(hexadecimal(guestAddress)), size \(hexadecimal(size)), "
            + "host \(hexadecimal(hostAddress)), flags \(flags)"
    }
}

/// A change of one slot that breaks no rule.
public enum SlotChange: Hashable, Sendable {
    case create(Memslot)
    case delete(Memslot)
    case move(from: Memslot, to: Memslot)
    case setFlags(from: Memslot, to: Memslot)
    /// The slot is there already, just as it was asked for: KVM does nothing.
    case none

    /// The change that takes this one back.
    var inverse: SlotChange {
        switch self {
        case .create(let slot): .delete(slot)
        case .delete(let slot): .create(slot)
        case .move(let from, let to): .move(from: to, to: from)
        case .setFlags(let from, let to): .setFlags(from: to, to: from)
        case .none: .none
        }
    }

    /// What KVM is asked in order to make the change; nil where there is nothing to do.
    var request: SlotRequest? {
        switch self {
        case .create(let slot), .move(_, let slot), .setFlags(_, let slot): SlotRequest(holding: slot)
        case .delete(let slot): SlotRequest(deleting: slot)
        case .none: nil
        }
    }
}

/// One edit of the slots, as the planner makes them: a new slot gets its id when the edit is applied.
public enum SlotEdit: Hashable, Sendable {
    case create(GuestRange, host: UInt64, flags: SlotFlags)
    case delete(SlotID)
    case move(SlotID, to: GuestAddress)
    case setFlags(SlotID, SlotFlags)
}
