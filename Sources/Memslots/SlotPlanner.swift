/// The functions that turn placed mappings into the slots that KVM should hold, and find the edits that lead from one set of slots
/// to another.
enum SlotPlanner {
    /// A run of mappings: a slot as it should be, which has no id yet.
    struct Run: Hashable, Sendable {
        var range: GuestRange
        var host: UInt64
        var flags: SlotFlags
        /// Whether the run lies in a window. Only there it can join with neighbours.
        var isInWindow = false

        /// Returns whether a slot has the run's addresses, in the guest and in the host, and the run's access. Such a slot stays,
        /// and at most its dirty logging changes.
        func isSamePlace(as slot: Memslot) -> Bool {
            range == slot.range && host == slot.host
                && flags.contains(.readOnly) == slot.flags.contains(.readOnly)
        }

        /// Returns whether a slot can be moved to become this run.
        func canTakeOver(_ slot: Memslot) -> Bool {
            host == slot.host && range.size == slot.range.size && flags == slot.flags
        }
    }

    /// Appends a mapping to the runs. Mappings must come by address. Outside the windows each mapping is a run of its own.
    ///
    /// A mapping in a window joins the run before it if both are contiguous in the guest and in the host and have equal access. A
    /// run logs dirty pages if one of its mappings does.
    static func append(_ mapping: PlacedMapping, to runs: inout [Run]) {
        let run = Run(
            range: mapping.range, host: mapping.host, flags: mapping.flags, isInWindow: mapping.isInWindow)
        if let last = runs.last, let joined = join(last, run) {
            runs[runs.count - 1] = joined
        } else {
            runs.append(run)
        }
    }

    /// Returns the run that two neighbouring runs make, or nil if they cannot share a slot.
    private static func join(_ left: Run, _ right: Run) -> Run? {
        guard
            left.isInWindow, right.isInWindow,
            left.range.isFollowed(by: right.range),
            left.host &+ left.range.size == right.host,
            left.flags.contains(.readOnly) == right.flags.contains(.readOnly),
            left.range.pages + right.range.pages <= SlotLimits.maximumPages
        else { return nil }
        return Run(
            range: GuestRange(unchecked: left.range.first, right.range.last), host: left.host,
            flags: left.flags.union(right.flags), isInWindow: true)
    }

    /// The edits that lead from the present slots to the runs that should be slots.
    struct Difference: Sendable {
        var deletes: [Memslot] = []
        var creates: [Run] = []
        var moves: [Move] = []
        var flags: [(slot: Memslot, flags: SlotFlags)] = []

        /// A slot, and the range to which it moves.
        struct Move: Sendable {
            var slot: Memslot
            var target: GuestRange
        }

        /// The number of slots in use after the edits, less the number before them.
        var growth: Int { creates.count - deletes.count }

        var isEmpty: Bool {
            deletes.isEmpty && creates.isEmpty && moves.isEmpty && flags.isEmpty
        }
    }
}

extension SlotPlanner.Difference {
    /// Finds the edits. The difference must still be empty, and both lists are by address.
    mutating func find(from slots: [Memslot], to runs: [SlotPlanner.Run]) {
        var slot = 0
        var run = 0
        while slot < slots.count || run < runs.count {
            if run == runs.count || slot < slots.count && slots[slot].range.first < runs[run].range.first {
                deletes.append(slots[slot])
                slot += 1
            } else if slot == slots.count || runs[run].range.first < slots[slot].range.first {
                creates.append(runs[run])
                run += 1
            } else {
                if !runs[run].isSamePlace(as: slots[slot]) {
                    deletes.append(slots[slot])
                    creates.append(runs[run])
                } else if runs[run].flags != slots[slot].flags {
                    flags.append((slots[slot], runs[run].flags))
                }
                slot += 1
                run += 1
            }
        }
        findMoves()
    }

    /// Turns each pair of a delete and a create of the same host memory into a move.
    private mutating func findMoves() {
        guard !deletes.isEmpty, !creates.isEmpty else { return }
        if deletes.count == 1 {
            // In most changes only one slot moves, and then no dictionary is needed.
            if let run = creates.firstIndex(where: { $0.canTakeOver(deletes[0]) }) {
                moves.append(Move(slot: deletes[0], target: creates.remove(at: run).range))
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
        creates.removeAll { run in
            guard let number = sources[run.host]?.firstIndex(where: { run.canTakeOver(deletes[$0]) }),
                let source = sources[run.host]?.remove(at: number)
            else { return false }
            moved.insert(source)
            moves.append(Move(slot: deletes[source], target: run.range))
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
        var ordered: [Move] = []
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
                SlotPlanner.Run(
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
