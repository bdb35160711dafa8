/// What a change of an address space needs on its way: lists that are kept from change to change, so that small ones, which
/// come by the million, allocate nothing.
struct ChangeLists: Sendable {
    /// A change that breaks no rule: what goes and what comes, both by address.
    struct Change: Sendable {
        var removed: [PlacedMapping] = []
        var added: [PlacedMapping] = []
        var clears: [WindowPiece] = []
        var places: [WindowPiece] = []
    }

    var change = Change()
    /// The slots around the change that are there, and those that should be.
    var slots: [Memslot] = []
    var runs: [SlotPlanner.Run] = []
    var difference = SlotPlanner.Difference()
    var transaction = Transaction()

    mutating func empty() {
        change.removed.empty()
        change.added.empty()
        change.clears.empty()
        change.places.empty()
        slots.empty()
        runs.empty()
        difference.empty()
        transaction.empty()
    }

    /// The steps in an order in which no state in between breaks a rule: first what goes, then what moves, then what comes.
    /// Before all, the dirty logs of the slots around are taken, unless nothing changes.
    mutating func appendSteps() {
        guard !difference.isEmpty || !change.clears.isEmpty || !change.places.isEmpty else { return }
        transaction.steps.reserveCapacity(
            difference.deletes.count + difference.creates.count + difference.moves.count + difference.flags.count
                + change.clears.count + change.places.count)
        for slot in slots where slot.flags.contains(.logDirtyPages) {
            transaction.steps.append(.takeDirtyLog(slot))
        }
        for slot in difference.deletes { transaction.steps.append(.edit(.delete(slot.id))) }
        for piece in change.clears { transaction.steps.append(.clear(piece)) }
        for piece in change.places { transaction.steps.append(.place(piece)) }
        for move in difference.moves {
            transaction.steps.append(.edit(.move(move.slot.id, to: move.target.first)))
        }
        for run in difference.creates {
            transaction.steps.append(.edit(.create(run.range, host: run.host, flags: run.flags)))
        }
        for (slot, flags) in difference.flags { transaction.steps.append(.edit(.setFlags(slot.id, flags))) }
    }
}

extension Array {
    /// Removes all elements, and keeps their memory unless they were many. Of the lists of a change most are empty already: that
    /// costs nothing.
    mutating func empty() {
        if capacity > 512 {
            self = []
        } else if !isEmpty {
            removeAll(keepingCapacity: true)
        }
    }
}
