import Testing

@testable import Memslots

@Suite struct MemslotTableTests {
    private var table = MemslotTable(limits: SlotLimits(userSlots: 509, privateSlots: 3))

    // MARK: Slots and ids

    @Test func emptyTableHoldsNothing() {
        #expect(table.count == 0 && table.capacity == 0 && table.edits.total == 0)
        #expect(table.limit == 509)
        #expect(table[0] == nil && table[508] == nil && table[509] == nil && table[.max] == nil)
        #expect(Array(table.all).isEmpty)
        #expect(table.find(GuestAddress(0)) == .hole(.everything))
        #expect(table.find(GuestAddress(.max)) == .hole(.everything))
    }

    @Test func slotIsAsItWasCreated() throws {
        var table = table
        let largest = Memslot(
            id: 0, range: .frames(1 << 39, (1 << 31) - 1), host: (1 << 46) - 4096, flags: [.readOnly, .logDirtyPages])
        try table.set(SlotRequest(holding: largest))
        let smallest = Memslot(id: 1, range: .frames(0), host: 0)
        try table.set(SlotRequest(holding: smallest))
        let last = Memslot(id: 508, range: .frames((1 << 40) - 1), host: 0x1000, flags: .readOnly)
        try table.set(SlotRequest(holding: last))
        #expect(table[0] == largest && table[1] == smallest && table[508] == last)
        #expect(Array(table.all) == [smallest, largest, last])
    }

    @Test func lowestFreeIDComesFirst() throws {
        var table = table
        for frame in 0..<10 { try table.create(.frames(UInt64(frame))) }
        for id in [7, 2, 5] as [SlotID] { try table.delete(id) }
        for id in [2, 5, 7, 10] as [SlotID] {
            #expect(table.lowestFreeID == id)
            #expect(try table.create(.frames(100 + UInt64(id))) == id)
        }
    }

    @Test func fullTableHasNoFreeID() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 10))
        for frame in 0..<10 { try table.create(.frames(UInt64(frame))) }
        #expect(table.lowestFreeID == nil)
        let violation = #expect(throws: SlotViolation.self) { try table.create(.frames(50)) }
        #expect(violation?.rule == .freeSlot && violation?.limit == 10)
        try table.delete(9)
        #expect(table.lowestFreeID == 9)
    }

    @Test func eachChangeIsAnEdit() throws {
        var table = table
        let id = try table.create(.frames(1))
        #expect(table.edits.total == 1)
        try table.move(id, toFrame: 2)
        #expect(table.edits.total == 2)
        try table.set(try table.request(for: .setFlags(id, .logDirtyPages)))
        #expect(table.edits.total == 3)
        try table.set(try table.request(for: .setFlags(id, .logDirtyPages)))
        #expect(table.edits.total == 3, "a request for what is there is no change")
        try table.delete(id)
        #expect(table.edits.total == 4)
    }

    @Test func moveKeepsAllButTheAddress() throws {
        var table = table
        let id = try table.create(.frames(4, 2), host: 0x7000, flags: .logDirtyPages)
        try table.move(id, toFrame: 5)
        #expect(table[id] == Memslot(id: id, range: .frames(5, 2), host: 0x7000, flags: .logDirtyPages))
        #expect(table.slotID(at: GuestAddress(0x4fff)) == nil)
        #expect(table.slotID(at: GuestAddress(0x6fff)) == id)
        #expect(table.count == 1)
    }

    // MARK: Private slots

    @Test func privateSlotsLieBehindTheUsersAndDoNotCount() throws {
        var table = table
        try table.set(SlotRequest(slot: 509, guestAddress: 0xfee0_0000, size: 4096, hostAddress: 0x1000))
        #expect(table.count == 0 && table.lowestFreeID == 0)
        #expect(table.slotID(at: GuestAddress(0xfee0_0fff)) == 509)
        #expect(table[509]?.host == 0x1000)
        try table.delete(509)
        #expect(table.count == 0 && table.capacity == 0 && table[509] == nil)
    }

    @Test func privateSlotIsInTheWayLikeAnyOther() throws {
        var table = table
        try table.set(SlotRequest(slot: 511, guestAddress: 0x5000, size: 4096, hostAddress: 0))
        let violation = #expect(throws: SlotViolation.self) { try table.create(.frames(4, 2)) }
        #expect(violation?.rule == .noOverlap && violation?.other?.id == 511)
    }

    @Test func privateSlotsAreNoneOfTheUsers() throws {
        var table = table
        for frame in UInt64(0)..<3 {
            try table.set(SlotRequest(slot: 509 + UInt32(frame), guestAddress: frame << 12, size: 4096, hostAddress: 0))
        }
        #expect(table.count == 0 && table.lowestFreeID == 0)
        try table.move(510, toFrame: 77)
        #expect(table[510]?.range == .frames(77))
    }

    // MARK: Capacity

    /// Limits that are powers of two, and others.
    @Test(arguments: [
        (32_764, [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_764]),
        (509, [8, 16, 32, 64, 128, 256, 509]), (64, [8, 16, 32, 64]), (10, [8, 10]), (8, [8]), (3, [3]), (1, [1]),
    ])
    func capacityDoublesUpToTheLimit(limit: Int, expected: [Int]) throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: limit))
        var capacities: [Int] = []
        for frame in 0..<limit {
            try table.create(.frames(UInt64(frame)))
            if capacities.last != table.capacity { capacities.append(table.capacity) }
        }
        #expect(capacities == expected)
        #expect(table.count == limit && table.lowestFreeID == nil)
    }

    @Test(arguments: [32_764, 509, 64, 10, 8, 3])
    func emptiedTableGivesItsMemoryBack(limit: Int) throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: limit))
        for frame in 0..<limit { try table.create(.frames(UInt64(frame))) }
        for id in (0..<limit).reversed() {
            try table.delete(SlotID(id))
            let used = id
            try ensure(table.capacity >= used && table.capacity <= max(8, used * 16 / 7 + 3), "\(used) used")
        }
        #expect(table.count == 0 && table.lowestFreeID == 0)
        #expect(table.byteSize <= 1024)
    }

    @Test(arguments: [32_764, 509, 10, 9, 12])
    func capacityNeverFallsBelowTheSmallestButToNothing(limit: Int) throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: limit))
        for frame in 0..<limit { try table.create(.frames(UInt64(frame))) }
        for id in (0..<limit).reversed() {
            try table.delete(SlotID(id))
            try ensure(table.capacity == 0 || table.capacity >= 8, "\(table.capacity) with \(id) used")
        }
    }

    @Test(arguments: [8, 16, 64, 256, 4096])
    func swingingByAFewSlotsCopiesNothing(size: Int) throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32_764))
        for frame in 0...size { try table.create(.frames(UInt64(frame))) }
        let capacity = table.capacity
        for _ in 0..<3 {
            try table.delete(SlotID(size))
            #expect(table.capacity == capacity)
            try table.create(.frames(UInt64(size)))
        }
    }

    @Test func highSlotKeepsTheCapacityUntilItGoes() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 32_764))
        try table.set(SlotRequest(slot: 32_763, guestAddress: 0x5000, size: 4096, hostAddress: 0))
        #expect(table.capacity == 32_764 && table.lowestFreeID == 0)
        try table.create(.frames(1))
        try table.delete(32_763)
        #expect(table.capacity == 8 && table.lowestFreeID == 1)
    }
}
