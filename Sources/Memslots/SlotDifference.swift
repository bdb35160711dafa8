/// A slot that KVM should hold for one mapping or for several that share it. It has no id yet.
struct WantedSlot: Hashable, Sendable {
    var range: GuestRange
    var host: UInt64
    var flags: SlotFlags
    /// Whether the slot lies in a window. Only there it can take in neighbours.
    var isInWindow = false

    /// Returns whether a slot has the addresses, in the guest and in the host, and the access of this one. Such a slot stays, and
    /// at most its dirty logging changes.
    func isSamePlace(as slot: Memslot) -> Bool {
        range == slot.range && host == slot.host && flags.contains(.readOnly) == slot.flags.contains(.readOnly)
    }

    /// Returns whether a slot can be moved to become this one.
    func canTakeOver(_ slot: Memslot) -> Bool {
        host == slot.host && range.size == slot.range.size && flags == slot.flags
    }
}

extension [WantedSlot] {
    /// Appends the slot of a mapping. Mappings must come by address. Outside the windows each mapping has a slot of its own.
    ///
    /// A mapping in a window joins the slot before it if both are contiguous in the guest and in the host and have equal access. A
    /// slot logs dirty pages if one of its mappings does.
    mutating func append(_ mapping: PlacedMapping) {
        if let last, last.isInWindow, mapping.isInWindow, last.range.isFollowed(by: mapping.range),
            last.host &+ last.range.size == mapping.host,
            last.flags.contains(.readOnly) == mapping.flags.contains(.readOnly),
            last.range.pages + mapping.range.pages <= SlotLimits.maximumPages
        {
            self[count - 1].range = GuestRange(unchecked: last.range.first, mapping.range.last)
            self[count - 1].flags.formUnion(mapping.flags)
        } else {
            append(
                WantedSlot(
                    range: mapping.range, host: mapping.host, flags: mapping.flags, isInWindow: mapping.isInWindow))
        }
    }
}

/// The edits that lead from the present slots to those that KVM should hold.
struct SlotDifference: Sendable {
    private(set) var deletes: [Memslot] = []
    private(set) var creates: [WantedSlot] = []
    /// Slots, each with the range to which it moves.
    private(set) var moves: [(slot: Memslot, target: GuestRange)] = []
    private(set) var flags: [(slot: Memslot, flags: SlotFlags)] = []

    /// The number of slots in use after the edits, less the number before them.
    var growth: Int { creates.count - deletes.count }

    var isEmpty: Bool { deletes.isEmpty && creates.isEmpty && moves.isEmpty && flags.isEmpty }

    init() {}

    /// Finds the edits. Both lists are by address.
    init(from slots: [Memslot], to wanted: [WantedSlot]) {
        var slot = 0
        var next = 0
        while slot < slots.count || next < wanted.count {
            if next == wanted.count || slot < slots.count && slots[slot].range.first < wanted[next].range.first {
                deletes.append(slots[slot])
                slot += 1
            } else if slot == slots.count || wanted[next].range.first < slots[slot].range.first {
                creates.append(wanted[next])
                next += 1
            } else {
                if !wanted[next].isSamePlace(as: slots[slot]) {
                    deletes.append(slots[slot])
                    creates.append(wanted[next])
                } else if wanted[next].flags != slots[slot].flags {
                    flags.append((slots[slot], wanted[next].flags))
                }
                slot += 1
                next += 1
            }
        }
        findMoves()
    }

    /// Turns each pair of a delete and a create of the same host memory into a move.
    private mutating func findMoves() {
        guard !deletes.isEmpty, !creates.isEmpty else { return }
        if deletes.count == 1 {
            // In most changes only one slot moves, and then no dictionary is needed.
            if let place = creates.firstIndex(where: { $0.canTakeOver(deletes[0]) }) {
                moves.append((deletes[0], creates.remove(at: place).range))
                deletes = []
            }
            return
        }
        // Several slots may show the same host memory, so each host address has a list.
        var sources: [UInt64: [Int]] = [:]
        for (position, slot) in deletes.enumerated() {
            sources[slot.host, default: []].append(position)
        }
        var moved = Set<Int>()
        creates.removeAll { wanted in
            guard let number = sources[wanted.host]?.firstIndex(where: { wanted.canTakeOver(deletes[$0]) }),
                let source = sources[wanted.host]?.remove(at: number)
            else { return false }
            moved.insert(source)
            moves.append((deletes[source], wanted.range))
            return true
        }
        guard !moved.isEmpty else { return }
        deletes = deletes.enumerated().filter { !moved.contains($0.offset) }.map(\.element)
        orderMoves()
    }

    /// Puts the moves into an order in which no slot moves onto another one. If moves wait for each other in a circle, turns one of
    /// them into a delete and a create.
    private mutating func orderMoves() {
        // A move waits for another slot as long as that slot's old range overlaps the move's target. A move waits only for slots
        // that move themselves. The other slots are deleted before the moves, or they stay and overlap no target, because all
        // targets are free after the change.
        let byAddress = moves.indices.sorted { moves[$0].slot.range.first < moves[$1].slot.range.first }
        var waiters = [[Int]](repeating: [], count: moves.count)
        var blockers = waiters
        var waitsFor = [Int](repeating: 0, count: moves.count)
        for (move, target) in moves.map(\.target).enumerated() {
            var next = byAddress.partitioningIndex { moves[$0].slot.range.last >= target.first }
            while next < byAddress.count, moves[byAddress[next]].slot.range.first <= target.last {
                let blocker = byAddress[next]
                if blocker != move {
                    waiters[blocker].append(move)
                    blockers[move].append(blocker)
                    waitsFor[move] += 1
                }
                next += 1
            }
        }
        var ready = moves.indices.filter { waitsFor[$0] == 0 }
        var waiting = Set(moves.indices).subtracting(ready)
        var ordered = moves
        ordered.removeAll()
        while true {
            while let move = ready.popLast() {
                ordered.append(moves[move])
                release(waiters[move], &waitsFor, &waiting, &ready)
            }
            guard var broken = waiting.min() else { break }
            // Each waiting move waits for another waiting move. So the walk from a move to what it waits for ends in a circle, and
            // stops at a move of that circle.
            var passed = Set<Int>()
            while passed.insert(broken).inserted, let next = blockers[broken].first(where: waiting.contains) {
                broken = next
            }
            waiting.remove(broken)
            deletes.append(moves[broken].slot)
            creates.append(
                WantedSlot(
                    range: moves[broken].target, host: moves[broken].slot.host, flags: moves[broken].slot.flags))
            release(waiters[broken], &waitsFor, &waiting, &ready)
        }
        moves = ordered
    }

    /// Tells moves that a slot they waited for is out of the way. Moves that wait for no other slot become ready.
    private func release(
        _ waiters: [Int], _ waitsFor: inout [Int], _ waiting: inout Set<Int>, _ ready: inout [Int]
    ) {
        for waiter in waiters {
            waitsFor[waiter] -= 1
            if waitsFor[waiter] == 0, waiting.remove(waiter) != nil {
                ready.append(waiter)
            }
        }
    }
}
