/// What a guest's memory should look like, and the slots that KVM holds for it.
///
/// A change names the mappings to remove and the mappings to add. The planner turns the mappings around the change into slots. The
/// difference between these and the present slots becomes edits, and one transaction makes all edits.
public struct AddressSpace: Sendable {
    /// The policy by which mappings become slots.
    public let policy: SlotPolicy
    /// The host addresses of backings and windows.
    public private(set) var placement: Placement
    /// The slots that KVM holds.
    public private(set) var table: MemslotTable
    var mappings = RangeIndex<PlacedMapping>()
    var dirty = DirtyPages()
    /// The first bytes, in host memory, of the mappings that log dirty pages. A new mapping that begins at one of these places logs
    /// too, so a BAR keeps its logging while it moves or while its decode is off.
    var loggedBackings = Set<Backing>()
    /// Whether a failed undo has left slots that differ from what the mappings ask for. If so, the next change plans all slots
    /// anew.
    private var isOutOfStep = false
    /// The observers that take part in transactions. Lost observers are not among them.
    private var observers: [ObserverID: any MemoryObserver] = [:]
    /// The number of observers that have ever joined, from which ids are made.
    private var observerCount = 0

    /// Creates an empty address space.
    public init(limits: SlotLimits, policy: SlotPolicy, placement: Placement) {
        self.policy = policy
        self.placement = placement
        table = MemslotTable(limits: limits)
    }

    /// Returns the mapping that contains an address.
    public func mapping(at address: GuestAddress) -> Mapping? {
        mappings.element(at: address)?.mapping
    }

    /// Returns the mappings that overlap a range, by address.
    public func mappings(in range: GuestRange) -> [Mapping] {
        mappings.elements(in: range).map(\.mapping)
    }

    /// Removes mappings, named by their ranges, and adds others. If the method throws, nothing has changed, unless a step could not
    /// be undone (`TransactionError.stuck`).
    public mutating func change<Installer: SlotInstaller & ~Copyable>(
        removing: [GuestRange] = [], adding: [Mapping] = [], through installer: inout Installer
    ) throws(AddressSpaceError) {
        try change(MemoryChange(removed: removing, added: adding), through: &installer)
    }

    /// Removes mappings and events and adds others. If the method throws, nothing has changed, unless a step could not be undone
    /// (`TransactionError.stuck`).
    ///
    /// - Parameters:
    ///   - leaving: Observers that leave: they are told to forget all mappings, and hear of no further change. Ids of lost
    ///     observers are ignored.
    ///   - joining: An observer that joins: it is told of all mappings that exist after the change.
    /// - Returns: The id of the observer that joined.
    @discardableResult
    public mutating func change<Installer: SlotInstaller & ~Copyable>(
        _ wanted: MemoryChange, leaving: [ObserverID] = [], joining: (any MemoryObserver)? = nil,
        through installer: inout Installer
    ) throws(AddressSpaceError) -> ObserverID? {
        var lists = ChangeLists()
        try check(wanted, into: &lists)
        plan(&lists)
        lists.difference = SlotDifference(from: lists.slots, to: lists.wanted)
        let needed = table.count + lists.difference.growth
        guard needed <= table.limit else {
            throw .tooManySlots(needed: needed, limit: table.limit)
        }
        let staying = leaving.isEmpty ? observers : observers.filter { !leaving.contains($0.key) }
        var steps = leaving.flatMap { observerSteps($0, mappings(in: .everything), isAdded: false) }
        steps += lists.steps(wanted, staying)
        let joined = joining.map { observer in
            let id = ObserverID(number: observerCount)
            observerCount += 1
            observers[id] = observer
            let removed = Set(wanted.removed)
            let kept = mappings(in: .everything).filter { !removed.contains($0.range) }
            steps += observerSteps(id, kept + lists.added.map(\.mapping), isAdded: true)
            return id
        }
        do throws(AddressSpaceError) {
            try run(steps, through: &installer)
        } catch {
            if let joined { observers[joined] = nil }
            throw error
        }
        for mapping in lists.removed { mappings.remove(mapping) }
        for mapping in lists.added { mappings.insert(mapping) }
        for id in leaving { observers[id] = nil }
        isOutOfStep = false
        return joined
    }

    /// Returns the steps that tell an observer of mappings. Mappings that the observer does not mirror have no steps, and neither
    /// does a lost observer.
    private func observerSteps(_ id: ObserverID, _ mappings: [Mapping], isAdded: Bool) -> [TransactionStep] {
        guard let observer = observers[id] else { return [] }
        return mappings.filter(observer.mirrors).map { .observer(id, $0, isAdded: isAdded) }
    }

    /// Sets the host address of a backing's stable mapping. No mapping may still show a backing that had this id before.
    public mutating func setBacking(_ id: Int, at address: UInt64) {
        placement.backings += Array(repeating: 0, count: max(0, id + 1 - placement.backings.count))
        placement.backings[id] = address
        // A new backing is not logged, and none of its pages is known to be written.
        loggedBackings = loggedBackings.filter { $0.id != id }
        dirty.forget(backing: id)
    }

    /// Runs a transaction. While it runs, `mappings` still holds the mappings from before the change.
    mutating func run<Installer: SlotInstaller & ~Copyable>(
        _ steps: [TransactionStep], through installer: inout Installer
    ) throws(AddressSpaceError) {
        var transaction = Transaction(steps: steps, observers: observers)
        defer {
            for log in transaction.dirtyLogs { dirty.insert(log.words, of: log.slot, in: mappings) }
        }
        do throws(TransactionError) {
            try transaction.run(on: &table, through: &installer)
        } catch {
            isOutOfStep = isOutOfStep || !error.stuck.isEmpty
            for id in error.lost { observers[id] = nil }
            throw .transaction(error)
        }
    }
}

// MARK: - Planning

extension AddressSpace {
    /// Checks a change against the rules and against the mappings that stay. KVM is asked only afterwards.
    private func check(_ wanted: MemoryChange, into change: inout ChangeLists) throws(AddressSpaceError) {
        change.removed.reserveCapacity(wanted.removed.count)
        for range in wanted.removed {
            guard let record = mappings.element(at: range.first), record.range == range else { throw .notMapped(range) }
            change.removed.append(record)
        }
        change.removed.sort { $0.range.first < $1.range.first }
        for (number, record) in change.removed.enumerated() {
            guard number == 0 || change.removed[number - 1].range != record.range else {
                throw .notMapped(record.range)
            }
            if let piece = record.piece { change.clears.appendRun(piece) }
        }
        change.added.reserveCapacity(wanted.added.count)
        for mapping in wanted.added {
            var placed = placement.place(mapping, policy: policy)
            placed.logsDirtyPages = !loggedBackings.isEmpty && loggedBackings.contains(mapping.backing)
            change.added.append(placed)
        }
        change.added.sort { $0.range.first < $1.range.first }
        for (number, placed) in change.added.enumerated() {
            try check(placed, behind: number > 0 ? change.added[number - 1] : nil, leaving: change.removed)
            if let piece = placed.piece { change.places.appendRun(piece) }
        }
    }

    /// Checks that a new mapping breaks no rule and overlaps neither the new mapping before it nor a mapping that stays.
    private func check(
        _ placed: PlacedMapping, behind previous: PlacedMapping?, leaving: [PlacedMapping]
    ) throws(AddressSpaceError) {
        let request = SlotRequest(
            slot: 0, flags: placed.flags.rawValue, guestAddress: placed.range.first.rawValue,
            size: placed.range.size, hostAddress: placed.host)
        do throws(SlotViolation) {
            try table.limits.checkShape(of: request)
            try table.limits.checkReach(of: request)
            // In a window the host address is always aligned, but the window piece could not be mapped from this offset.
            guard placed.mapping.backing.offset % Page.size == 0 else {
                throw SlotViolation(.alignedHostAddress, request)
            }
        } catch {
            throw .rule(error, owner: placed.mapping.owner)
        }
        if let previous, previous.range.last >= placed.range.first {
            throw .overlap(placed.mapping, with: previous.mapping)
        }
        var inTheWay: Mapping?
        mappings.forEach(in: placed.range) { other in
            let place = leaving.partitioningIndex { $0.range.first >= other.range.first }
            let leaves = place < leaving.count && leaving[place].range == other.range
            if inTheWay == nil, !leaves { inTheWay = other.mapping }
        }
        if let inTheWay {
            throw .overlap(placed.mapping, with: inTheWay)
        }
    }

    /// Finds the present slots around a change, and those that KVM should hold there.
    private func plan(_ lists: inout ChangeLists) {
        if policy == .separate, !isOutOfStep {
            // Each mapping has a slot of its own, so the change affects no slot around it.
            for record in lists.removed {
                if let slot = table.slotID(at: record.range.first).flatMap({ table[$0] }) { lists.slots.append(slot) }
            }
            lists.wanted.reserveCapacity(lists.added.count)
            for record in lists.added { lists.wanted.append(record) }
            return
        }
        var removed = lists.removed[...]
        var added = lists.added[...]
        let changed = (removed.map(\.range) + added.map(\.range)).sorted { $0.first < $1.first }
        var rest = changed[...]
        while let first = rest.popFirst() {
            var region = extended(first)
            // Changed ranges that overlap the range `region`, or begin right after it, are planned together with it.
            while let next = rest.first, next.first <= region.last || region.isFollowed(by: next) {
                region = GuestRange(unchecked: region.first, max(region.last, extended(next).last))
                rest.removeFirst()
            }
            lists.slots.append(contentsOf: table.slots(in: region))
            mappings.forEach(in: region) { record in
                while let new = added.first, new.range.first < record.range.first {
                    lists.wanted.append(new)
                    added.removeFirst()
                }
                if removed.first?.range == record.range {
                    removed.removeFirst()
                } else {
                    lists.wanted.append(record)
                }
            }
            while let new = added.first, new.range.first <= region.last {
                lists.wanted.append(new)
                added.removeFirst()
            }
        }
    }

    /// Returns a range, extended by the slots that it overlaps or touches, because neighbouring mappings may share a slot.
    private func extended(_ range: GuestRange) -> GuestRange {
        if isOutOfStep { return .everything }
        let before = GuestAddress(range.first.rawValue == 0 ? 0 : range.first.rawValue - 1)
        let behind = range.last.advanced(by: 1) ?? range.last
        let first = table.slotID(at: before).flatMap { table[$0] }?.range.first ?? range.first
        let last = table.slotID(at: behind).flatMap { table[$0] }?.range.last ?? range.last
        return GuestRange(unchecked: min(first, range.first), max(last, range.last))
    }
}
