@testable import Memslots

extension MemslotTable {
    /// Asks for a change, and records it as if KVM had agreed.
    mutating func set(_ request: SlotRequest) throws(SlotViolation) {
        apply(try change(for: request))
    }

    /// A new slot with the lowest free id.
    @discardableResult
    mutating func create(_ range: GuestRange, host: UInt64 = 0, flags: SlotFlags = []) throws(SlotViolation) -> SlotID {
        let request = try request(for: .create(range, host: host, flags: flags))
        try set(request)
        return SlotID(request.slot)
    }

    mutating func delete(_ id: SlotID) throws(SlotViolation) {
        try set(try request(for: .delete(id)))
    }

    mutating func move(_ id: SlotID, toFrame frame: UInt64) throws(SlotViolation) {
        try set(try request(for: .move(id, to: GuestAddress(frame << Page.shift))))
    }
}
