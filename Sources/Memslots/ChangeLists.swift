/// The intermediate results of a change of an address space: its mappings, the slots around it, and the edits that lead to its
/// steps.
struct ChangeLists: Sendable {
    /// A change that breaks no rule: the mappings to remove and those to add, and their window pieces, all by address.
    struct Change: Sendable {
        var removed: [PlacedMapping] = []
        var added: [PlacedMapping] = []
        var clears: [WindowPiece] = []
        var places: [WindowPiece] = []
    }

    var change = Change()
    /// The present slots around the change, and the runs of mappings that should be slots there.
    var slots: [Memslot] = []
    var runs: [SlotPlanner.Run] = []
    var difference = SlotPlanner.Difference()

    /// Returns the steps in an order in which no state in between breaks a rule: removals first, then moves, then additions. Before
    /// all of them come steps that take the dirty logs of the slots around the change, unless neither slots nor windows change.
    func steps(_ wanted: MemoryChange, _ observers: Transaction.Observers) -> [TransactionStep] {
        var steps: [TransactionStep] = []
        steps.reserveCapacity(
            difference.deletes.count + difference.creates.count + difference.moves.count + difference.flags.count
                + change.clears.count + change.places.count + wanted.removedEvents.count + wanted.addedEvents.count)
        if !difference.isEmpty || !change.clears.isEmpty || !change.places.isEmpty {
            for slot in slots where slot.flags.contains(.logDirtyPages) { steps.append(.takeDirtyLog(slot)) }
        }
        for event in wanted.removedEvents { steps.append(.event(event, isTaken: false)) }
        append(change.removed, isAdded: false, observers, to: &steps)
        for slot in difference.deletes { steps.append(.edit(.delete(slot.id))) }
        for piece in change.clears { steps.append(.clear(piece)) }
        for piece in change.places { steps.append(.place(piece)) }
        for move in difference.moves { steps.append(.edit(.move(move.slot.id, to: move.target.first))) }
        for run in difference.creates { steps.append(.edit(.create(run.range, host: run.host, flags: run.flags))) }
        for (slot, flags) in difference.flags { steps.append(.edit(.setFlags(slot.id, flags))) }
        append(change.added, isAdded: true, observers, to: &steps)
        for event in wanted.addedEvents { steps.append(.event(event, isTaken: true)) }
        return steps
    }

    private func append(
        _ mappings: [PlacedMapping], isAdded: Bool, _ observers: Transaction.Observers,
        to steps: inout [TransactionStep]
    ) {
        // Observers are told in the order in which they joined. The order of a dictionary differs from process to process.
        for (id, observer) in observers.sorted(by: { $0.key.number < $1.key.number }) {
            for placed in mappings where observer.mirrors(placed.mapping) {
                steps.append(.observer(id, placed.mapping, isAdded: isAdded))
            }
        }
    }
}
