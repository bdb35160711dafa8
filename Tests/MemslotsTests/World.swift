import Testing

@testable import Memslots

/// An address space on a fake KVM, and beside them a plain list of what should be mapped.
struct World {
    private(set) var space: AddressSpace
    var kvm: FakeKVM
    private(set) var mapped: [Mapping] = []
    private(set) var events: Set<IOEvent> = []

    /// Two windows side by side in the guest and far apart in the host, and one with room for huge mappings.
    static let placement = Placement(
        backings: [0x1000_0000_0000, 0x2000_0000_0000],
        windows: [
            HostWindow(aperture: .frames(0x1000, 0x20), host: 0x5000_0000_0000),
            HostWindow(aperture: .frames(0x1020, 0x20), host: 0x6000_0000_0000),
            HostWindow(aperture: .frames(0x2400, 0x800), host: 0x7000_0000_0000),
        ])

    init(policy: SlotPolicy, userSlots: Int = 64) {
        let limits = SlotLimits(userSlots: userSlots)
        space = AddressSpace(limits: limits, policy: policy, placement: Self.placement)
        kvm = FakeKVM(limits: limits, placement: Self.placement)
    }

    var slots: [Memslot] {
        Array(space.table.all)
    }

    // MARK: Changes

    mutating func change(removing: [GuestRange] = [], adding: [Mapping] = []) throws(AddressSpaceError) {
        try change(MemoryChange(removed: removing, added: adding))
    }

    mutating func change(_ change: MemoryChange) throws(AddressSpaceError) {
        try space.change(change, through: &kvm)
        mapped = Self.mappings(mapped, without: change.removed, with: change.added)
        events = events.subtracting(change.removedEvents).union(change.addedEvents)
    }

    mutating func addObserver(_ observer: any MemoryObserver) throws(AddressSpaceError) -> ObserverID {
        guard let id = try space.change(MemoryChange(), joining: observer, through: &kvm) else {
            preconditionFailure("an observer that joins has a number")
        }
        return id
    }

    mutating func removeObserver(_ id: ObserverID) throws(AddressSpaceError) {
        try space.change(MemoryChange(), leaving: [id], through: &kvm)
    }

    mutating func setDirtyLogging(_ logs: Bool, in range: GuestRange) throws(AddressSpaceError) {
        try space.setDirtyLogging(logs, in: range, through: &kvm)
    }

    mutating func takeDirtyPages(in range: GuestRange) throws(AddressSpaceError) -> DirtyBitmap {
        try space.takeDirtyPages(in: range, through: &kvm)
    }

    static func mappings(_ old: [Mapping], without removed: [GuestRange], with added: [Mapping]) -> [Mapping] {
        (old.filter { !removed.contains($0.range) } + added).sorted { $0.range.first < $1.range.first }
    }

    // MARK: What should be so

    /// The slots that mappings make, planned from nothing: their ranges, host addresses and access.
    static func plan(_ mappings: [Mapping], policy: SlotPolicy) -> [Memslot] {
        var slots: [Memslot] = []
        var wasInWindow = false
        for mapping in mappings {
            let window = policy == .coalesced ? window(of: mapping) : nil
            let host =
                window.map { $0.host + (mapping.range.first.rawValue - $0.aperture.first.rawValue) }
                ?? placement.backings[mapping.backing.id] + mapping.backing.offset
            let new = Memslot(
                id: 0, range: mapping.range, host: host, flags: mapping.access == .readOnly ? .readOnly : [])
            if window != nil, wasInWindow, let last = slots.last, last.flags == new.flags,
                last.range.last.rawValue + 1 == new.range.first.rawValue, last.host + last.range.size == new.host
            {
                slots[slots.count - 1].range = .bytes(last.range.first.rawValue, new.range.last.rawValue)
            } else {
                slots.append(new)
            }
            wasInWindow = window != nil
        }
        return slots
    }

    /// The window that a mapping is placed into: the first that holds it, if it is small.
    static func window(of mapping: Mapping) -> HostWindow? {
        guard mapping.range.size < 2 << 20 else { return nil }
        return placement.windows.first { $0.aperture.contains(mapping.range) }
    }

    /// Why KVM, windows and table are not what the mappings ask for; nil where they are.
    var problem: Comment? {
        kvm.complaints.isEmpty ? stateProblem : "\(kvm.complaints)"
    }

    /// The same, whatever was asked on the way.
    var stateProblem: Comment? {
        guard slots == kvm.kvm.byAddress else { return "the table holds \(slots), KVM \(kvm.kvm.byAddress)" }
        let plain = slots.map {
            Memslot(id: 0, range: $0.range, host: $0.host, flags: $0.flags.intersection(.readOnly))
        }
        let planned = Self.plan(mapped, policy: space.policy)
        guard plain == planned else { return "slots \(plain), planned \(planned)" }
        guard space.mappings(in: .everything) == mapped else { return "other mappings than asked for" }
        guard kvm.events == events else { return "KVM takes \(kvm.events), not \(events)" }
        return translationProblem
    }

    /// The pages of each mapping, all of small ones, and those around them.
    private var translationProblem: Comment? {
        var windowPages = 0
        for mapping in mapped {
            let first = mapping.range.first.frame
            let last = mapping.range.last.frame
            let page = mapping.backing.offset / 4096
            for frame in first...last where mapping.range.pages < 16 || frame - first < 2 || last - frame < 2 {
                let expected = FakeKVM.HostPage(backing: mapping.backing.id, page: page + (frame - first))
                guard let seen = kvm.translate(frame: frame), seen.page == expected, seen.access == mapping.access
                else {
                    return "frame \(frame) of \(mapping.owner) shows \("\(kvm.translate(frame: frame) as Any)")"
                }
            }
            guard space.mapping(at: mapping.range.first) == mapping, space.mapping(at: mapping.range.last) == mapping
            else {
                return "\(mapping.owner) is not found by its addresses"
            }
            for neighbour in [first &- 1, last + 1]
            where !mapped.contains(where: { $0.range.contains(GuestAddress(neighbour << 12)) }) {
                guard kvm.translate(frame: neighbour) == nil, space.mapping(at: GuestAddress(neighbour << 12)) == nil
                else { return "frame \(neighbour) shows something" }
            }
            if space.policy == .coalesced, Self.window(of: mapping) != nil { windowPages += Int(mapping.range.pages) }
        }
        return kvm.windowPages.count == windowPages
            ? nil : "\(kvm.windowPages.count) pages in windows, not \(windowPages)"
    }

    /// Whether mappings, slots, free ids, windows and events are those of another world.
    func isSame(as other: World) -> Bool {
        slots == other.slots && kvm.kvm == other.kvm.kvm && kvm.windowPages == other.kvm.windowPages
            && kvm.events == other.kvm.events
            && space.mappings(in: .everything) == other.space.mappings(in: .everything)
            && space.table.lowestFreeID == other.space.table.lowestFreeID && mapped == other.mapped
    }
}
