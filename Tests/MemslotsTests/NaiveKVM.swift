@testable import Memslots

/// KVM_SET_USER_MEMORY_REGION as its documentation tells it: a dictionary of slots that is walked for each question, and
/// numbers that cannot overflow. Nothing in it is shared with the table.
struct NaiveKVM: Hashable {
    let limits: SlotLimits
    var slots: [SlotID: Memslot] = [:]

    struct Refusal: Error, Hashable {
        var rule: SlotRule
        var other: Memslot?
    }

    /// The slots by address.
    var byAddress: [Memslot] {
        slots.values.sorted { $0.range.first < $1.range.first }
    }

    func slot(at address: GuestAddress) -> Memslot? {
        slots.values.first { $0.range.contains(address) }
    }

    /// Does what a request asks, or says which rule it breaks.
    mutating func set(_ request: SlotRequest) throws(Refusal) {
        let id = SlotID(truncatingIfNeeded: request.slot)
        slots[id] = try result(of: request)
    }

    /// What the slot is after a request; nil is deleted.
    func result(of request: SlotRequest) throws(Refusal) -> Memslot? {
        let id = SlotID(truncatingIfNeeded: request.slot)
        let end = UInt128(request.guestAddress) + UInt128(request.size)
        if request.flags > 3 { throw Refusal(rule: .knownFlags) }
        if Int(id) >= limits.userSlots + limits.privateSlots { throw Refusal(rule: .slotID) }
        if !request.size.isMultiple(of: 4096) { throw Refusal(rule: .alignedSize) }
        if !request.guestAddress.isMultiple(of: 4096) { throw Refusal(rule: .alignedGuestAddress) }
        if !request.hostAddress.isMultiple(of: 4096) { throw Refusal(rule: .alignedHostAddress) }
        if UInt128(request.hostAddress) + UInt128(request.size) > UInt128(limits.hostAddressLimit) {
            throw Refusal(rule: .accessibleHostRange)
        }
        if request.slot > 0xffff { throw Refusal(rule: .addressSpace) }
        if end > UInt128(UInt64.max) { throw Refusal(rule: .noWrap) }
        if request.size / 4096 > 0x7fff_ffff { throw Refusal(rule: .pageCount) }

        let old = slots[id]
        guard request.size > 0 else {
            if old == nil { throw Refusal(rule: .deleteUsed) }
            return nil
        }
        let new = Memslot(
            id: id, range: .bytes(request.guestAddress, UInt64(end - 1)), host: request.hostAddress,
            flags: SlotFlags(rawValue: request.flags))
        if let old {
            if new.host != old.host { throw Refusal(rule: .fixedHostAddress, other: old) }
            if new.range.size != old.range.size { throw Refusal(rule: .noResize, other: old) }
            if new.flags.contains(.readOnly) != old.flags.contains(.readOnly) {
                throw Refusal(rule: .fixedReadOnly, other: old)
            }
            if new.range == old.range { return new }
        }
        let inTheWay = slots.values.filter {
            $0.id != id && $0.range.first <= new.range.last && new.range.first <= $0.range.last
        }
        if let other = inTheWay.min(by: { $0.range.first < $1.range.first }) {
            throw Refusal(rule: .noOverlap, other: other)
        }
        if end - 1 > UInt128(limits.highestGuestAddress.rawValue) { throw Refusal(rule: .highestGuestAddress) }
        return new
    }
}
