/// The slots that KVM holds at present. They are stored by id and found by address.
///
/// The capacity doubles and halves with the ids in use, so that the table of a guest with two slots has room for a handful of
/// slots. The table changes only after KVM has agreed to a change, so it always says what KVM holds.
public struct MemslotTable: Sendable {
    /// The limits that the rules depend on.
    public let limits: SlotLimits
    /// The slots, by id.
    private var slots: [PackedSlot] = []
    private var ids = UsedIDs()
    private var index = AddressIndex()

    /// The number of slots in use, without the private ones.
    public private(set) var count = 0
    /// The number of changes so far, by kind.
    public private(set) var edits = EditCounts()

    static let smallestCapacity = 8

    /// Creates an empty table.
    public init(limits: SlotLimits) {
        self.limits = limits
    }

    /// The number of slots for which the table has room before it grows.
    public var capacity: Int {
        slots.count
    }

    /// The number of slots that KVM allows, without the private ones.
    public var limit: Int {
        limits.userSlots
    }

    /// The bytes that the table takes in user space, spare capacity included.
    public var byteSize: Int {
        MemoryLayout<MemslotTable>.size + heapBytes(slots) + ids.byteSize + index.byteSize
    }

    /// The lowest id of an ordinary slot that is free, or nil if all are in use.
    public var lowestFreeID: SlotID? {
        ids.lowestFree < limit ? SlotID(ids.lowestFree) : nil
    }

    /// The slot with an id, ordinary or private, or nil if the id is not in use.
    @inline(__always)
    public subscript(id: SlotID) -> Memslot? {
        Int(id) < slots.count ? slots[Int(id)].slot(id: id) : nil
    }
}

// MARK: - Look-up by address

extension MemslotTable {
    /// The answer of a look-up by address.
    public enum Lookup: Hashable, Sendable {
        /// The slot that contains the address.
        case slot(Memslot)
        /// No slot contains the address. The range is all of the hole between the neighbouring slots.
        case hole(GuestRange)
    }

    /// Returns the slot or the hole that contains an address.
    public func find(_ address: GuestAddress) -> Lookup {
        guard let below = index.position(atOrBelow: address.frame) else {
            return .hole(GuestRange(unchecked: GuestAddress(0), holeEnd(before: index.first)))
        }
        let id = SlotID(truncatingIfNeeded: index[below].payload)
        let slot = slots[Int(id)]
        if slot.contains(frame: address.frame) { return .slot(slot.used(id: id)) }
        // This does not overflow, because slots lie below 2^52.
        let holeStart = GuestAddress((slot.frame &+ slot.pages) << Page.shift)
        return .hole(GuestRange(unchecked: holeStart, holeEnd(before: index.position(after: below))))
    }

    /// Returns the last address of the hole below a slot. The slot's first address is a page boundary above 0, because the hole
    /// lies below it.
    @inline(__always)
    private func holeEnd(before above: AddressIndex.Position?) -> GuestAddress {
        above.map { GuestAddress(index[$0].frame << Page.shift &- 1) } ?? GuestAddress(.max)
    }

    /// Returns the id of the slot that contains an address, or nil if there is none.
    @inline(__always)
    public func slotID(at address: GuestAddress) -> SlotID? {
        guard let below = index.position(atOrBelow: address.frame) else { return nil }
        let id = SlotID(truncatingIfNeeded: index[below].payload)
        return slots[Int(id)].contains(frame: address.frame) ? id : nil
    }

    /// Returns the lowest slot that overlaps `range`, other than the slot with the id `except`.
    func firstSlot(in range: GuestRange, except: SlotID) -> Memslot? {
        var position = firstPosition(in: range)
        while let current = position, let slot = slot(at: current), slot.range.first <= range.last {
            if slot.id != except { return slot }
            position = index.position(after: current)
        }
        return nil
    }

    /// Returns the slots that overlap `range`, by address.
    public func slots(in range: GuestRange) -> SlotSequence {
        SlotSequence(table: self, position: firstPosition(in: range), last: range.last)
    }

    /// All slots, by address.
    public var all: SlotSequence {
        slots(in: .everything)
    }

    /// The slots from a position on, by address, up to the last one that begins at or below `last`.
    public struct SlotSequence: Sequence, IteratorProtocol, Sendable {
        fileprivate let table: MemslotTable
        fileprivate var position: AddressIndex.Position?
        fileprivate let last: GuestAddress

        /// Returns the next slot, or nil after the last one.
        public mutating func next() -> Memslot? {
            guard let current = position, let slot = table.slot(at: current), slot.range.first <= last else {
                return nil
            }
            position = table.index.position(after: current)
            return slot
        }
    }

    /// Returns the position of the first slot that ends in `range` or above it.
    private func firstPosition(in range: GuestRange) -> AddressIndex.Position? {
        guard let below = index.position(atOrBelow: range.first.frame) else { return index.first }
        let holds = slots[index[below].payload].contains(frame: range.first.frame)
        return holds ? below : index.position(after: below)
    }

    private func slot(at position: AddressIndex.Position) -> Memslot? {
        self[SlotID(truncatingIfNeeded: index[position].payload)]
    }
}

// MARK: - Changes

extension MemslotTable {
    /// Records a change to which KVM has agreed.
    public mutating func apply(_ change: SlotChange) {
        switch change {
        case .none: return
        case .create(let slot):
            edits.created += 1
            add(slot)
        case .delete(let slot):
            edits.deleted += 1
            remove(slot)
        case .move(let from, let to):
            edits.moved += 1
            index.remove(AddressIndex.Entry(frame: from.range.first.frame, payload: Int(from.id)))
            index.insert(AddressIndex.Entry(frame: to.range.first.frame, payload: Int(to.id)))
            slots[Int(to.id)] = PackedSlot(to)
        case .setFlags(_, let to):
            edits.flagged += 1
            slots[Int(to.id)] = PackedSlot(to)
        }
    }

    private mutating func add(_ slot: Memslot) {
        let id = Int(slot.id)
        if id >= capacity { resize(toHold: id) }
        ids.insert(id)
        if id < limit { count += 1 }
        slots[id] = PackedSlot(slot)
        index.insert(AddressIndex.Entry(frame: slot.range.first.frame, payload: id))
    }

    private mutating func remove(_ slot: Memslot) {
        let id = Int(slot.id)
        index.remove(AddressIndex.Entry(frame: slot.range.first.frame, payload: id))
        slots[id] = .unused
        ids.remove(id)
        if id < limit { count -= 1 }
        shrink()
    }

    /// Doubles the capacity until the table has room for `id`.
    private mutating func resize(toHold id: Int) {
        var capacity = max(Self.smallestCapacity, slots.count)
        while capacity <= id {
            capacity *= 2
        }
        resize(to: min(capacity, limits.ids))
    }

    /// Halves the capacity while the ids in use fill at most seven eighths of the half. The capacity becomes a power of two even if
    /// the limit, and so the capacity so far, is not one. The remaining eighth keeps a table whose size swings by a few slots from
    /// being copied back and forth.
    private mutating func shrink() {
        let used = ids.end
        var capacity = slots.count
        while capacity > Self.smallestCapacity {
            let half = 1 << (Int.bitWidth - 1 - (capacity - 1).leadingZeroBitCount)
            guard used <= half * 7 / 8 else { break }
            capacity = half
        }
        if capacity < slots.count {
            resize(to: used == 0 ? 0 : capacity)
        }
    }

    private mutating func resize(to newCapacity: Int) {
        slots = (0..<newCapacity).map { $0 < slots.count ? slots[$0] : .unused }
        ids.resize(to: newCapacity)
    }
}
