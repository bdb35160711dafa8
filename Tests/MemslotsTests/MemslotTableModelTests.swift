import PropertySupport
import Testing

@testable import Memslots

/// The table against a dictionary of slots.
@Suite struct MemslotTableModelTests {
    private static let limits = SlotLimits(userSlots: 100, privateSlots: 4)

    /// Any request, in a small part of the address space so that slots meet.
    private static func request(
        in model: NaiveKVM, lowestFree: SlotID?, using random: inout SplitMix64
    ) -> SlotRequest {
        let range = GuestRange.frames(.random(in: 0..<400, using: &random), .random(in: 1...4, using: &random))
        let slot = model.slots.randomElement(using: &random)?.value
        switch (Int.random(in: 0..<8, using: &random), slot) {
        case (0..<2, let slot?):
            return SlotRequest(deleting: slot)
        case (2..<4, var slot?):
            slot.range = GuestRange.frames(range.first.frame, slot.pages)
            return SlotRequest(holding: slot)
        case (4, var slot?):
            slot.flags.formSymmetricDifference(.logDirtyPages)
            return SlotRequest(holding: slot)
        case (5, _):
            return SlotRequest(slot: .random(in: 0..<104, using: &random), range: range)
        default:
            return SlotRequest(slot: UInt32(lowestFree ?? 0), range: range)
        }
    }

    /// What lies at an address, by two linear scans.
    private static func lookup(_ address: GuestAddress, in model: NaiveKVM) -> MemslotTable.Lookup {
        if let slot = model.slot(at: address) { return .slot(slot) }
        let below = model.slots.values.filter { $0.range.last < address }.map { $0.range.last.rawValue + 1 }.max()
        let above = model.slots.values.filter { $0.range.first > address }.map { $0.range.first.rawValue - 1 }.min()
        return .hole(.bytes(below ?? 0, above ?? .max))
    }

    @Test(arguments: propertySeeds)
    func aDictionarySaysTheSame(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var table = MemslotTable(limits: Self.limits)
        var model = NaiveKVM(limits: Self.limits)
        var changes: UInt64 = 0
        for step in 0..<6000 {
            let request = Self.request(in: model, lowestFree: table.lowestFreeID, using: &random)
            let before = model.slots
            let isAccepted = (try? model.set(request)) != nil
            try ensure(((try? table.set(request)) != nil) == isAccepted, "\(request)")
            changes += model.slots == before ? 0 : 1

            try ensure(table.edits.total == changes)
            try ensure(table.count == model.slots.keys.count { $0 < 100 })
            try ensure(table.lowestFreeID.map(Int.init) == (0..<100).first { model.slots[SlotID($0)] == nil })
            let id = SlotID.random(in: 0..<110, using: &random)
            try ensure(table[id] == model.slots[id])
            // Near one address for a while, so that it is asked for before and after changes around it.
            let frame = UInt64(step / 20 * 37 % 400) + .random(in: 0..<3, using: &random)
            let address = GuestAddress(frame << Page.shift | .random(in: 0..<Page.size, using: &random))
            let expected = Self.lookup(address, in: model)
            try ensure(table.find(address) == expected, "\(address)")
            try ensure(table.slotID(at: address) == model.slot(at: address)?.id)
            if step.isMultiple(of: 100) {
                let all = model.byAddress
                try ensure(Array(table.all) == all)
                let part = GuestRange.frames(frame, 50)
                try ensure(Array(table.slots(in: part)) == all.filter { $0.range.overlaps(part) })
            }
        }
    }

    @Test(arguments: propertySeeds)
    func noIDIsLostInTenThousandCycles(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var table = MemslotTable(limits: SlotLimits(userSlots: 509))
        var used: [SlotID] = []
        for cycle in 0..<10_000 {
            // Up to the limit and down again, several times.
            if (cycle / 1000).isMultiple(of: 2), used.count < 509 || used.isEmpty {
                used.append(try table.create(.frames(UInt64(cycle))))
            } else if !used.isEmpty {
                try table.delete(used.remove(at: .random(in: 0..<used.count, using: &random)))
            }
            try ensure(table.count == used.count)
        }
        while let id = used.popLast() { try table.delete(id) }
        for id in 0..<509 { try ensure(try table.create(.frames(UInt64(id))) == SlotID(id)) }
        #expect(table.lowestFreeID == nil)
    }
}

extension SlotRequest {
    /// A slot over `range`, its host address out of the range's.
    init(slot: UInt32, range: GuestRange, flags: UInt32 = 0) {
        self.init(
            slot: slot, flags: flags, guestAddress: range.first.rawValue, size: range.size,
            hostAddress: 0x1000_0000 + range.first.rawValue)
    }
}
