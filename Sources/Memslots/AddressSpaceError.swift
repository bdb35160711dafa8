/// The reason why a change of an address space did not take place. Mappings and slots are as before, unless `transaction` says that
/// a step could not be undone.
public enum AddressSpaceError: Error, Hashable, Sendable {
    /// No mapping has exactly this range.
    case notMapped(GuestRange)
    /// A new mapping lies over another one.
    case overlap(Mapping, with: Mapping)
    /// A new mapping breaks one of KVM's rules for slots.
    case rule(SlotViolation, owner: MappingOwner)
    /// The change needs more slots than KVM has.
    case tooManySlots(needed: Int, limit: Int)
    /// A step of the transaction failed.
    case transaction(TransactionError)
    /// KVM did not hand out the dirty log of a slot.
    case dirtyLog(Memslot, SlotErrno)
}

extension AddressSpaceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notMapped(let range):
            "no mapping has exactly the range \(range)"
        case .overlap(let mapping, let other):
            "\(mapping.owner) at \(mapping.range) overlaps \(other.owner) at \(other.range)"
        case .rule(let violation, let owner):
            "\(owner): \(violation)"
        case .tooManySlots(let needed, let limit):
            "\(needed) memory slots are needed, but KVM has \(limit) (KVM_CAP_NR_MEMSLOTS)"
        case .transaction(let error):
            "\(error)"
        case .dirtyLog(let slot, let errno):
            "KVM did not give the dirty pages of \(slot): \(errno)"
        }
    }
}
