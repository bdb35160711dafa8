import Machine
import Memslots

@testable import Laboratory

/// A kernel with a known fault, and else the naive one: a dictionary of slots.
struct FakeKernel: FuzzTarget {
    enum Fault: CaseIterable {
        /// After a move, the guest still sees memory where the slot was.
        case movedSlotStays
        /// A deleted slot goes on being seen.
        case deletedSlotStays
        /// Slots that touch another are refused.
        case touchingSlotsOverlap
        /// A change of flags is accepted and makes the slot show its second page first.
        case flagsMoveHost
        /// Two slots may have the same guest memory behind them.
        case guestMemoryIsShared
        /// A descriptor that is not open is refused as one of another kind.
        case closedIsForeign
    }

    let limits = SlotLimits(userSlots: 40)
    let missingAddressSpace: UInt32 = 1
    let memoryBase: UInt64 = 0x7000_0000_0000
    let codeSlot: SlotRequest? = nil
    var features: Set<FuzzFeature> = [.region2, .guestMemory]
    /// The pages of guest memory behind each slot that has some.
    private var pages: [SlotID: Set<UInt64>] = [:]
    /// Whether it interprets the guest, as some KVMs do.
    var apicPageIsDevice = false
    let fault: Fault?
    private var table = MemslotTable(limits: SlotLimits(userSlots: 40))
    private var stale: [Memslot] = []
    private var shifted = Set<SlotID>()

    init(_ fault: Fault?) {
        self.fault = fault
    }

    mutating func set(_ request: SlotRequest) throws(SlotErrno) {
        // A slot with guest memory stays as it is.
        let id = SlotID(truncatingIfNeeded: request.slot)
        if pages[id] != nil, request.size > 0, request.slot >> 16 == 0 { throw .invalidArgument }
        let change: SlotChange
        do { change = try table.change(for: request) } catch { throw error.rule.errno }
        switch change {
        case .create(let slot):
            if fault == .touchingSlotsOverlap, touches(slot) { throw .exists }
            stale.removeAll { $0.range.overlaps(slot.range) }
        case .move(let from, _):
            if fault == .movedSlotStays { stale.append(from) }
        case .delete(let slot):
            if fault == .deletedSlotStays { stale.append(slot) }
            shifted.remove(slot.id)
            pages[slot.id] = nil
        case .setFlags(_, let slot):
            if fault == .flagsMoveHost { shifted.insert(slot.id) }
        case .none: break
        }
        table.apply(change)
    }

    mutating func set(_ request: SlotRequest, _ place: GuestMemfdPlace) throws(SlotErrno) {
        guard request.flags & 4 != 0 else { return try set(request) }
        var plain = request
        plain.flags &= ~4
        let isAligned = place.offset % 4096 == 0 && !place.offset.addingReportingOverflow(request.size).overflow
        guard plain.flags == 0, isAligned else { throw .invalidArgument }
        let id = SlotID(truncatingIfNeeded: request.slot)
        guard request.size > 0 else { return try set(plain) }
        if table[id] != nil { throw .invalidArgument }
        // The rules of all slots come first, but for the last of them.
        var isBeyond = false
        do { _ = try table.change(for: plain) } catch {
            guard error.rule == .highestGuestAddress else { throw error.rule.errno }
            isBeyond = true
        }
        if place.file == .closed { throw fault == .closedIsForeign ? .invalidArgument : .badDescriptor }
        let first = place.offset / 4096
        let wanted = Set(first..<first + min(request.size / 4096, 64))
        let isTaken = pages.values.contains { !$0.isDisjoint(with: wanted) } && fault != .guestMemoryIsShared
        if place.file == .foreign || (wanted.max() ?? 0) >= 32 || isTaken || isBeyond { throw .invalidArgument }
        try set(plain)
        pages[id] = wanted
    }

    func readWord(at address: GuestAddress) throws(MachineError) -> BareMachine.ReadResult {
        if apicPageIsDevice, APICPage.range.contains(address) { return .hole }
        let slot =
            if case .slot(let slot) = table.find(address) { slot as Memslot? } else {
                stale.last { $0.range.contains(address) }
            }
        guard let slot else { return .hole }
        let shift = shifted.contains(slot.id) ? Page.size : 0
        let offset = slot.host - memoryBase + slot.range.offset(of: address) + shift
        return .word(offset % Page.size == 0 ? Label(number: Int(offset / Page.size)).word : 0)
    }

    private func touches(_ slot: Memslot) -> Bool {
        table.all.contains { $0.range.isFollowed(by: slot.range) || slot.range.isFollowed(by: $0.range) }
    }
}

extension Observer {
    /// An observer that never ends an experiment.
    static var none: Observer { Observer { _ in true } }
}
