/// The intermediate results of a change of an address space: its mappings, the slots around it, and the edits that lead to its
/// steps.
struct ChangeLists: Sendable {
    /// The mappings to remove and those to add, and their window pieces, all by address.
    var removed: [PlacedMapping] = []
    var added: [PlacedMapping] = []
    var clears: [WindowPiece] = []
    var places: [WindowPiece] = []
    /// The present slots around the change, and those that KVM should hold there.
    var slots: [Memslot] = []
    var wanted: [WantedSlot] = []
    var difference = SlotDifference()

    /// Returns the steps in an order in which no state in between breaks a rule: removals first, then moves, then additions. Before
    /// all of them come steps that take the dirty logs of the slots around the change, unless neither slots nor windows change.
    func steps(_ wanted: MemoryChange, _ observers: Transaction.Observers) -> [TransactionStep] {
        var steps: [TransactionStep] = []
        steps.reserveCapacity(
            difference.deletes.count + difference.creates.count + difference.moves.count + difference.flags.count
                + clears.count + places.count + wanted.removedEvents.count + wanted.addedEvents.count)
        if !difference.isEmpty || !clears.isEmpty || !places.isEmpty {
            for slot in slots where slot.flags.contains(.logDirtyPages) { steps.append(.takeDirtyLog(slot)) }
        }
        for event in wanted.removedEvents { steps.append(.event(event, isTaken: false)) }
        append(removed, isAdded: false, observers, to: &steps)
        for slot in difference.deletes { steps.append(.edit(.delete(slot.id))) }
        for piece in clears { steps.append(.clear(piece)) }
        for piece in places { steps.append(.place(piece)) }
        for move in difference.moves { steps.append(.edit(.move(move.slot.id, to: move.target.first))) }
        for new in difference.creates { steps.append(.edit(.create(new.range, host: new.host, flags: new.flags))) }
        for (slot, flags) in difference.flags { steps.append(.edit(.setFlags(slot.id, flags))) }
        append(added, isAdded: true, observers, to: &steps)
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
