/// A request of KVM_SET_USER_MEMORY_REGION in the kernel's own fields. It may break every rule.
public struct SlotRequest: Hashable, Sendable {
    /// The slot id in the lower 16 bits, and the KVM address space in the upper 16.
    public var slot: UInt32
    /// The flags of the slot (`KVM_MEM_*`).
    public var flags: UInt32
    /// The guest-physical address of the slot's first byte.
    public var guestAddress: UInt64
    /// The size in bytes. A size of 0 deletes the slot.
    public var size: UInt64
    /// The host address of the slot's first byte.
    public var hostAddress: UInt64

    /// Creates a request. It is not checked.
    public init(slot: UInt32, flags: UInt32 = 0, guestAddress: UInt64, size: UInt64, hostAddress: UInt64) {
        self.slot = slot
        self.flags = flags
        self.guestAddress = guestAddress
        self.size = size
        self.hostAddress = hostAddress
    }

    /// Creates the request after which KVM holds `slot`.
    package init(holding slot: Memslot) {
        self.init(
            slot: UInt32(slot.id), flags: slot.flags.rawValue, guestAddress: slot.range.first.rawValue,
            size: slot.range.size, hostAddress: slot.host)
    }

    /// Creates the request after which KVM no longer holds `slot`.
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
    /// The slot comes into being.
    case create(Memslot)
    /// The slot goes away.
    case delete(Memslot)
    /// The slot gets another guest-physical address.
    case move(from: Memslot, to: Memslot)
    /// The slot gets other flags.
    case setFlags(from: Memslot, to: Memslot)
    /// Nothing changes, because KVM holds exactly the slot that the request describes.
    case none

    /// The change that undoes this one.
    var inverse: SlotChange {
        switch self {
        case .create(let slot): .delete(slot)
        case .delete(let slot): .create(slot)
        case .move(let from, let to): .move(from: to, to: from)
        case .setFlags(let from, let to): .setFlags(from: to, to: from)
        case .none: .none
        }
    }

    /// The request that makes the change, or nil if nothing changes.
    var request: SlotRequest? {
        switch self {
        case .create(let slot), .move(_, let slot), .setFlags(_, let slot): SlotRequest(holding: slot)
        case .delete(let slot): SlotRequest(deleting: slot)
        case .none: nil
        }
    }
}

/// One edit of a slot, as the planner asks for it. A new slot gets its id when the edit is applied.
public enum SlotEdit: Hashable, Sendable {
    /// Creates a slot with the lowest free id.
    case create(GuestRange, host: UInt64, flags: SlotFlags)
    /// Deletes a slot.
    case delete(SlotID)
    /// Moves a slot to another guest-physical address.
    case move(SlotID, to: GuestAddress)
    /// Changes the flags of a slot.
    case setFlags(SlotID, SlotFlags)
}
