/// A change of an address space that did not take place; mappings and slots are as before, unless a transaction says
/// otherwise.
public enum AddressSpaceError: Error, Hashable, Sendable {
    /// No mapping has exactly this range.
    case notMapped(GuestRange)
    /// A new mapping lies over another one.
    case overlap(Mapping, with: Mapping)
    /// A new mapping breaks a rule of slots.
    case rule(SlotViolation, owner: MappingOwner)
    /// More slots would be needed than there are.
    case tooManySlots(needed: Int, limit: Int)
    case transaction(TransactionError)
    /// KVM did not give a dirty bitmap.
    case dirtyLog(Memslot, SlotErrno)
}

extension AddressSpaceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notMapped(let range):
            "nothing is mapped at just \(range)"
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
