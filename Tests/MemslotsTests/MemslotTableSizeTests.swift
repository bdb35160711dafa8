import PropertySupport
import Testing

@testable import Memslots

/// What the table takes in user space, spare capacity included.
@Suite struct MemslotTableSizeTests {
    @Test(arguments: Order.allCases)
    func takesAtMost64BytesASlotAtEveryFill(order: Order) throws {
        var random = SplitMix64(seed: 1)
        let limit = 32_764
        var table = MemslotTable(limits: SlotLimits(userSlots: limit))
        for frame in order.arrange((0..<limit).map(UInt64.init), using: &random) {
            try table.create(.frames(frame))
            if table.count > 64 { try ensure(table.byteSize <= 64 * table.count, table.sizeText) }
        }
        // The other way round: the highest ids go first, wherever their addresses are.
        while table.count > 64 {
            try ensure(table.byteSize <= 64 * table.count, table.sizeText)
            try table.delete(SlotID(table.count - 1))
        }
        #expect(table.byteSize <= 64 * 65)
    }

    /// Slots by address as they go: those of low ids stay for long, so only the index can shrink.
    @Test(arguments: propertySeeds)
    func indexShrinksWithTheSlotsThatAreLeft(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var table = MemslotTable(limits: SlotLimits(userSlots: 8192))
        for frame in 0..<8192 { try table.create(.frames(UInt64(frame))) }
        for id in (0..<8192).shuffled(using: &random) where id != 8191 { try table.delete(SlotID(id)) }
        // The last id holds the array by id, which malloc may round up to pages; what else there is belongs to one slot.
        #expect(table.byteSize <= 8192 * 16 + 4096 + 8192 / 8 + 1024)
        try table.delete(8191)
        #expect(table.byteSize <= 1024)
    }

    @Test func smallGuestPaysForAHandfulOfSlots() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32_764))
        try table.create(.frames(0, 256))
        try table.create(.frames(0x100, 256))
        #expect(table.byteSize <= 1024)
    }

    @Test func slotTakesSixteenBytesInTheTable() {
        #expect(MemoryLayout<PackedSlot>.size == 16)
    }
}

extension MemslotTable {
    fileprivate var sizeText: Comment {
        "\(count) slots in \(byteSize) bytes: capacity \(capacity)"
    }
}
