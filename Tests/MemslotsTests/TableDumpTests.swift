import Testing

@testable import Memslots

@Suite struct TableDumpTests {
    private static func makeTable() throws -> MemslotTable {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32))
        try table.create(.frames(9), host: 0x7000_9000)
        try table.create(.frames(2, 3), host: 0x7000_2000, flags: [.readOnly, .logDirtyPages])
        try table.create(.frames(5), host: 0x7000_5000, flags: .logDirtyPages)
        return table
    }

    @Test func slotsComeByAddress() throws {
        let table = try Self.makeTable()
        let dump = TableDump(table)
        #expect(dump.slotList.map(\.id) == [1, 2, 0])
        #expect(dump.count == 3 && dump.limit == 32 && dump.capacity == 8 && dump.generation == 3)
        #expect(dump.tableBytes == table.byteSize)
    }

    @Test func sameSlotsGiveTheSameDumpWhateverTheOrderOfCreation() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32))
        for id in [2, 0, 1] as [SlotID] {
            try table.set(SlotRequest(holding: try #require(try Self.makeTable()[id])))
        }
        // Not so the bytes: malloc may give two arrays of a size different room.
        let (dump, other) = (TableDump(table), TableDump(try Self.makeTable()))
        #expect(dump.slotList == other.slotList && dump.generation == other.generation)
        #expect(dump.count == other.count && dump.capacity == other.capacity && dump.limit == other.limit)
        #expect("\(dump)".split(separator: "\n").dropFirst() == "\(other)".split(separator: "\n").dropFirst())
    }

    @Test func textHasALineForTheTableAndOneForEachSlot() throws {
        let table = try Self.makeTable()
        #expect(
            "\(TableDump(table))" == """
                3 slots of 32, room for 8, \(table.byteSize) bytes, generation 3
                  slot 1: 0x2000-0x4fff, 3 pages, host 0x70002000, read-only, dirty logging
                  slot 2: 0x5000-0x5fff, 1 pages, host 0x70005000, read-write, dirty logging
                  slot 0: 0x9000-0x9fff, 1 pages, host 0x70009000, read-write
                """)
    }

    @Test func emptyTableIsOneLine() {
        let dump = TableDump(MemslotTable(limits: SlotLimits(userSlots: 32)))
        #expect(dump.slotList.isEmpty && "\(dump)".hasPrefix("0 slots of 32") && !"\(dump)".contains("\n"))
    }

    // MARK: Differences

    private static func difference(after change: (inout MemslotTable) throws -> Void) throws -> TableDifference {
        var table = try makeTable()
        let old = TableDump(table)
        try change(&table)
        return TableDifference(from: old, to: TableDump(table))
    }

    @Test func sameTablesDoNotDiffer() throws {
        let difference = try Self.difference { _ in }
        #expect(difference.isEmpty && "\(difference)".isEmpty)
    }

    @Test func generationAloneIsNoDifference() throws {
        let difference = try Self.difference { table in
            try table.move(0, toFrame: 20)
            try table.move(0, toFrame: 9)
        }
        #expect(difference.isEmpty)
    }

    @Test func slotsThatComeAndGoAreListedByAddress() throws {
        let difference = try Self.difference { table in
            try table.delete(0)
            try table.delete(1)
            try table.create(.frames(30), host: 0x1000)
            try table.create(.frames(20), host: 0x1000)
        }
        #expect(difference.removed.map(\.first) == ["0x2000", "0x9000"])
        #expect(difference.added.map(\.first) == ["0x14000", "0x1e000"])
        #expect(
            "\(difference)".split(separator: "\n").map { $0.prefix(8) } == [
                "- slot 1", "- slot 0", "+ slot 1", "+ slot 0",
            ])
    }

    @Test func slotThatMovedGoesAndComes() throws {
        let difference = try Self.difference { try $0.move(0, toFrame: 20) }
        #expect(difference.removed.map(\.first) == ["0x9000"] && difference.added.map(\.first) == ["0x14000"])
        #expect(difference.removed.map(\.id) == difference.added.map(\.id))
    }

    @Test func otherFlagsAreADifference() throws {
        let difference = try Self.difference { try $0.set(try $0.request(for: .setFlags(0, .logDirtyPages))) }
        #expect(difference.removed.map(\.logsDirtyPages) == [false])
        #expect(difference.added.map(\.logsDirtyPages) == [true])
    }
}
