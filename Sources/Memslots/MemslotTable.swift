/// The slots that KVM holds now: stored by id, found by address.
///
/// The table grows and shrinks by doubling and halving, so that a guest with two slots pays for a handful of them. It
/// changes only after KVM has agreed to a change, so that it always says what KVM holds.
public struct MemslotTable: Sendable {
    public let limits: SlotLimits
    /// By id, users' ids only.
    private var slots: [PackedSlot] = []
    private var privateSlots: [PackedSlot] = []
    private var ids = UsedIDs()
    private var privateIDs = UsedIDs()
    private var index = AddressIndex()

    /// Slots in use, the private ones not counted.
    public private(set) var count = 0
    /// Private slots in use.
    public private(set) var privateCount = 0
    /// Changes so far, by their kind.
    public private(set) var edits = EditCounts()

    /// The number of changes so far.
    public var generation: UInt64 {
        edits.total
    }

    static let smallestCapacity = 8

    public init(limits: SlotLimits) {
        self.limits = limits
        privateIDs.resize(to: limits.privateSlots)
    }

    /// Slots for which the table has room before it grows.
    public var capacity: Int {
        slots.count
    }

    /// Slots that users may have.
    public var limit: Int {
        limits.userSlots
    }

    /// Bytes that the table takes in user space, spare capacity included.
    public var byteSize: Int {
        MemoryLayout<MemslotTable>.size + heapBytes(slots) + heapBytes(privateSlots) + ids.byteSize
            + privateIDs.byteSize + index.byteSize
    }

    /// The lowest id that is free, or nil where all are in use.
    public var lowestFreeID: SlotID? {
        ids.lowestFree < limit ? SlotID(ids.lowestFree) : nil
    }

    /// The lowest private id that is free, or nil where all are in use.
    public var lowestFreePrivateID: SlotID? {
        privateIDs.lowestFree < limits.privateSlots ? SlotID(limits.userSlots + privateIDs.lowestFree) : nil
    }

    /// The slot with this id, users' or private.
    @inline(__always)
    public subscript(id: SlotID) -> Memslot? {
        let id = Int(id)
        if id < slots.count {
            return slots[id].slot(id: SlotID(id))
        }
        let privateID = id - limits.userSlots
        return privateSlots.indices.contains(privateID) ? privateSlots[privateID].slot(id: SlotID(id)) : nil
    }
}

// MARK: - By address

extension MemslotTable {
    /// What lies at an address.
    public enum Lookup: Hashable, Sendable {
        case slot(Memslot)
        /// No slot: the range between the neighbours.
        case hole(GuestRange)
    }

    /// What lies at `address`.
    public func find(_ address: GuestAddress) -> Lookup {
        guard let below = index.position(atOrBelow: address.frame) else {
            return .hole(GuestRange(unchecked: GuestAddress(0), holeEnd(before: index.first)))
        }
        let id = SlotID(truncatingIfNeeded: index[below].payload)
        let slot = packed(id)
        if slot.contains(frame: address.frame) { return .slot(slot.used(id: id)) }
        // Slots lie below 2^52.
        let holeStart = GuestAddress((slot.frame &+ slot.pages) << Page.shift)
        return .hole(GuestRange(unchecked: holeStart, holeEnd(before: index.position(after: below))))
    }

    /// Slots lie on page boundaries above 0, so there is room for an address below one.
    @inline(__always)
    private func holeEnd(before above: AddressIndex.Position?) -> GuestAddress {
        above.map { GuestAddress(index[$0].frame << Page.shift &- 1) } ?? GuestAddress(.max)
    }

    /// Whether some slot holds `address`, and which: the id, or nil.
    @inline(__always)
    public func slotID(at address: GuestAddress) -> SlotID? {
        guard let below = index.position(atOrBelow: address.frame) else { return nil }
        let id = SlotID(truncatingIfNeeded: index[below].payload)
        return packed(id).contains(frame: address.frame) ? id : nil
    }

    /// The lowest slot that overlaps `range`, other than the one with the id `except`.
    func firstSlot(in range: GuestRange, except: SlotID) -> Memslot? {
        var position = firstPosition(in: range)
        while let current = position, let slot = slot(at: current), slot.range.first <= range.last {
            if slot.id != except { return slot }
            position = index.position(after: current)
        }
        return nil
    }

    /// The slots that overlap `range`, by address.
    public func slots(in range: GuestRange) -> SlotSequence {
        SlotSequence(table: self, position: firstPosition(in: range), last: range.last)
    }

    /// All slots, by address.
    public var all: SlotSequence {
        slots(in: .everything)
    }

    /// Slots by address, up to the last one that begins at `last` or below.
    public struct SlotSequence: Sequence, IteratorProtocol, Sendable {
        fileprivate let table: MemslotTable
        fileprivate var position: AddressIndex.Position?
        fileprivate let last: GuestAddress

        public mutating func next() -> Memslot? {
            guard let current = position, let slot = table.slot(at: current), slot.range.first <= last else {
                return nil
            }
            position = table.index.position(after: current)
            return slot
        }
    }

    /// The position of the first slot that ends in `range` or behind it.
    private func firstPosition(in range: GuestRange) -> AddressIndex.Position? {
        guard let below = index.position(atOrBelow: range.first.frame) else { return index.first }
        let holds = packed(SlotID(truncatingIfNeeded: index[below].payload)).contains(frame: range.first.frame)
        return holds ? below : index.position(after: below)
    }

    @inline(__always)
    private func packed(_ id: SlotID) -> PackedSlot {
        let id = Int(id)
        return id < slots.count ? slots[id] : privateSlots[id - limits.userSlots]
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
            store(PackedSlot(to), at: to.id)
        case .setFlags(_, let to):
            edits.flagged += 1
            store(PackedSlot(to), at: to.id)
        }
    }

    private mutating func add(_ slot: Memslot) {
        let id = Int(slot.id)
        if id < limit {
            if id >= capacity {
                resize(toHold: id)
            }
            ids.insert(id)
            count += 1
        } else {
            if privateSlots.isEmpty {
                privateSlots = [PackedSlot](repeating: .unused, count: limits.privateSlots)
            }
            privateIDs.insert(id - limit)
            privateCount += 1
        }
        store(PackedSlot(slot), at: slot.id)
        index.insert(AddressIndex.Entry(frame: slot.range.first.frame, payload: id))
    }

    private mutating func remove(_ slot: Memslot) {
        let id = Int(slot.id)
        index.remove(AddressIndex.Entry(frame: slot.range.first.frame, payload: id))
        store(.unused, at: slot.id)
        if id < limit {
            ids.remove(id)
            count -= 1
            shrink()
        } else {
            privateIDs.remove(id - limit)
            privateCount -= 1
        }
    }

    private mutating func store(_ slot: PackedSlot, at id: SlotID) {
        let id = Int(id)
        if id < slots.count {
            slots[id] = slot
        } else {
            privateSlots[id - limits.userSlots] = slot
        }
    }

    /// Doubles until `id` has a place.
    private mutating func resize(toHold id: Int) {
        var capacity = max(Self.smallestCapacity, slots.count)
        while capacity <= id {
            capacity *= 2
        }
        resize(to: min(capacity, limit))
    }

    /// Halves, down to powers of two whatever the limit is, while the ids in use fill at most seven eighths of the half:
    /// the eighth between keeps a table whose size swings by a few slots from being copied back and forth.
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
