import Testing

@testable import Memslots

@Suite struct MemslotTableLookupTests {
    /// Slots at frames 2-3, 5 and 6-8.
    private func makeTable() throws -> MemslotTable {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32, privateSlots: 1))
        try table.create(.frames(5), host: 0x5000)
        try table.create(.frames(2, 2), host: 0x2000)
        try table.create(.frames(6, 3), host: 0x6000)
        return table
    }

    @Test(arguments: [(UInt64(0x2000), SlotID(1)), (0x3fff, 1), (0x5000, 0), (0x5fff, 0), (0x6000, 2), (0x8fff, 2)])
    func bothEndsOfASlotHitIt(address: UInt64, id: SlotID) throws {
        let table = try makeTable()
        let slot = try #require(table[id])
        #expect(table.find(GuestAddress(address)) == .slot(slot))
        #expect(table.slotID(at: GuestAddress(address)) == id)
    }

    @Test(arguments: [
        (UInt64(0), GuestRange.bytes(0, 0x1fff)), (0x1fff, .bytes(0, 0x1fff)), (0x4000, .bytes(0x4000, 0x4fff)),
        (0x4fff, .bytes(0x4000, 0x4fff)), (0x9000, .bytes(0x9000, .max)), (1 << 52, .bytes(0x9000, .max)),
        (.max, .bytes(0x9000, .max)),
    ])
    func holeReachesFromSlotToSlot(address: UInt64, hole: GuestRange) throws {
        let table = try makeTable()
        #expect(table.find(GuestAddress(address)) == .hole(hole))
        #expect(table.slotID(at: GuestAddress(address)) == nil)
    }

    @Test func slotsAtTheEndsOfTheAddressSpaceBoundTheHole() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32))
        try table.create(.frames(0))
        try table.create(.frames((1 << 40) - 1))
        #expect(table.find(GuestAddress(0x1000)) == .hole(.bytes(0x1000, (1 << 52) - 4097)))
        #expect(table.find(GuestAddress(1 << 52)) == .hole(.bytes(1 << 52, .max)))
        #expect(table.slotID(at: GuestAddress(.max)) == nil)
    }

    @Test func hitDoesNotOutliveItsSlot() throws {
        var table = try makeTable()
        _ = table.find(GuestAddress(0x5000))
        try table.delete(0)
        #expect(table.find(GuestAddress(0x5000)) == .hole(.bytes(0x4000, 0x5fff)))
    }

    @Test func holeDoesNotHideANewSlot() throws {
        var table = try makeTable()
        _ = table.find(GuestAddress(0x4000))
        let id = try table.create(.frames(4))
        #expect(table.find(GuestAddress(0x4000)) == .slot(try #require(table[id])))
    }

    @Test func holeGrowsWhenItsNeighbourGoes() throws {
        var table = try makeTable()
        _ = table.find(GuestAddress(0x4000))
        try table.delete(1)
        #expect(table.find(GuestAddress(0x4000)) == .hole(.bytes(0, 0x4fff)))
    }

    @Test func answersFollowAMove() throws {
        var table = try makeTable()
        _ = table.find(GuestAddress(0x5000))
        _ = table.find(GuestAddress(0x9000))
        try table.move(0, toFrame: 9)
        #expect(table.find(GuestAddress(0x5000)) == .hole(.bytes(0x4000, 0x5fff)))
        #expect(table.find(GuestAddress(0x9000)) == .slot(try #require(table[0])))
    }

    @Test func hitHasTheNewFlags() throws {
        var table = try makeTable()
        _ = table.find(GuestAddress(0x5000))
        try table.set(try table.request(for: .setFlags(0, .logDirtyPages)))
        #expect(table.find(GuestAddress(0x5000)) == .slot(try #require(table[0])))
        #expect(table[0]?.flags == .logDirtyPages)
    }

    @Test(
        arguments: [
            (GuestRange.bytes(0, 0x1fff), []), (.bytes(0, 0x2000), [1]), (.bytes(0x3fff, 0x5000), [1, 0]),
            (.bytes(0x4000, 0x4fff), []), (.bytes(0x5fff, 0x6000), [0, 2]), (.bytes(0x8fff, .max), [2]),
            (.bytes(0x9000, .max), []), (.everything, [1, 0, 2]),
        ] as [(GuestRange, [SlotID])])
    func slotsInARangeAreThoseThatOverlapIt(range: GuestRange, ids: [SlotID]) throws {
        let table = try makeTable()
        #expect(table.slots(in: range).map(\.id) == ids)
        #expect(table.firstSlot(in: range, except: 1)?.id == ids.first { $0 != 1 })
    }
}
