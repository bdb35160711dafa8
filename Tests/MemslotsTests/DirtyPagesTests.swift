import Testing

@testable import Memslots

@Suite struct DirtyPagesTests {
    /// Four neighbours of two pages each, which log; a fifth, which does not.
    private static func world(_ policy: SlotPolicy) throws -> World {
        var world = World(policy: policy)
        try world.change(adding: (0..<5).map(mapping))
        try world.setDirtyLogging(true, in: .frames(0x1000, 8))
        world.kvm.startCounting()
        return world
    }

    private static func mapping(_ number: UInt64) -> Mapping {
        Mapping(
            range: .frames(0x1000 + 2 * number, 2), backing: Backing(offset: number << 16), owner: .other(Int(number)))
    }

    private static let all = GuestRange.frames(0x1000, 64)

    private static func dirtyFrames(_ world: inout World, in range: GuestRange = all) throws -> [UInt64] {
        let bitmap = try world.takeDirtyPages(in: range)
        #expect(bitmap.range == range)
        let frames = (range.first.frame...range.last.frame).filter { bitmap.contains(GuestAddress($0 << Page.shift)) }
        #expect(bitmap.count == frames.count)
        return frames
    }

    @Test func loggingIsOneEditOfFlagsASlot() throws {
        var world = try Self.world(.separate)
        #expect(world.slots.map(\.flags) == [.logDirtyPages, .logDirtyPages, .logDirtyPages, .logDirtyPages, []])
        try world.setDirtyLogging(true, in: .frames(0x1003, 2))
        #expect(world.kvm.calls.isEmpty && world.kvm.parks == 0, "they log already")
        try world.setDirtyLogging(false, in: .frames(0x1003, 2))
        #expect(world.slots.map(\.flags) == [.logDirtyPages, [], [], .logDirtyPages, []])
        #expect(world.kvm.parks == 1 && world.slots == world.kvm.kvm.byAddress)
    }

    @Test func sharedSlotLogsWhileOneOfItsMappingsDoes() throws {
        var world = try Self.world(.coalesced)
        #expect(world.slots.map(\.flags) == [.logDirtyPages])
        try world.setDirtyLogging(false, in: .frames(0x1000, 7))
        #expect(world.slots.map(\.flags) == [[]])
        #expect(world.slots == world.kvm.kvm.byAddress)
    }

    @Test(arguments: SlotPolicy.allCases)
    func writtenPagesAreReportedOnce(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        for frame in [0x1000, 0x1003, 0x1007, 0x1003] as [UInt64] { world.kvm.write(frame: frame) }
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1003, 0x1007])
        #expect(try Self.dirtyFrames(&world).isEmpty)
        #expect(world.kvm.parks == 0)
    }

    @Test(arguments: SlotPolicy.allCases)
    func pagesOutsideTheRangeAreKeptForLater(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        for frame in UInt64(0x1000)..<0x1008 { world.kvm.write(frame: frame) }
        #expect(try Self.dirtyFrames(&world, in: .frames(0x1001, 4)) == [0x1001, 0x1002, 0x1003, 0x1004])
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1005, 0x1006, 0x1007])
    }

    @Test(arguments: SlotPolicy.allCases)
    func mappingThatDoesNotLogReportsNothing(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        world.kvm.write(frame: 0x1008)
        world.kvm.write(frame: 0x1007)
        #expect(try Self.dirtyFrames(&world) == [0x1007])
    }

    @Test(arguments: SlotPolicy.allCases)
    func endOfLoggingForgets(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        for frame in UInt64(0x1000)..<0x1008 { world.kvm.write(frame: frame) }
        try world.setDirtyLogging(false, in: .frames(0x1002, 2))
        try world.setDirtyLogging(true, in: .frames(0x1002, 2))
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1001, 0x1004, 0x1005, 0x1006, 0x1007])
    }

    /// What was written while a mapping did not log is not reported when it logs again, though its slot logged all along.
    @Test(arguments: SlotPolicy.allCases)
    func writesBetweenAreNotReported(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        try world.setDirtyLogging(false, in: .frames(0x1002, 2))
        world.kvm.write(frame: 0x1002)
        try world.setDirtyLogging(true, in: .frames(0x1002, 2))
        #expect(try Self.dirtyFrames(&world).isEmpty)
    }

    @Test func splittingASlotLosesNothing() throws {
        var world = try Self.world(.coalesced)
        for frame in UInt64(0x1000)..<0x1008 { world.kvm.write(frame: frame) }
        try world.change(removing: [.frames(0x1002, 2)])
        #expect(world.slots.count == 2)
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1001, 0x1004, 0x1005, 0x1006, 0x1007])
    }

    @Test func joiningSlotsLosesNothing() throws {
        var world = try Self.world(.coalesced)
        try world.change(removing: [.frames(0x1002, 2)])
        for frame in [0x1000, 0x1005] as [UInt64] { world.kvm.write(frame: frame) }
        try world.change(adding: [Self.mapping(1)])
        #expect(world.slots.count == 1)
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1005])
    }

    @Test(arguments: SlotPolicy.allCases)
    func mappingThatMovesTakesItsWrittenPagesAlong(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        world.kvm.write(frame: 0x1001)
        var moved = Self.mapping(0)
        moved.range = .frames(0x1010, 2)
        try world.change(removing: [.frames(0x1000, 2)], adding: [moved])
        #expect(try Self.dirtyFrames(&world) == [0x1011])
    }

    @Test(arguments: SlotPolicy.allCases)
    func mappingThatComesBackHasItsWrittenPages(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        world.kvm.write(frame: 0x1002)
        try world.change(removing: [.frames(0x1002, 2)])
        #expect(try Self.dirtyFrames(&world).isEmpty)
        try world.change(adding: [Self.mapping(1)])
        #expect(try Self.dirtyFrames(&world) == [0x1002])
    }

    /// Two mappings change places in a slot that needs no edit.
    @Test(arguments: SlotPolicy.allCases)
    func swapWithinASlotLosesNothing(policy: SlotPolicy) throws {
        var world = try Self.world(policy)
        world.kvm.write(frame: 0x1001)
        var first = Self.mapping(0)
        var second = Self.mapping(1)
        swap(&first.range, &second.range)
        try world.change(removing: [first.range, second.range], adding: [first, second])
        #expect(try Self.dirtyFrames(&world) == [0x1003])
    }

    /// Each call of a change that moves and splits fails once.
    @Test(arguments: SlotPolicy.allCases)
    func failedChangeLosesNothing(policy: SlotPolicy) throws {
        var moved = Self.mapping(1)
        moved.range = .frames(0x1010, 2)
        var calls = 1
        var number = 0
        while number < calls {
            var world = try Self.world(policy)
            for frame in UInt64(0x1000)..<0x1008 { world.kvm.write(frame: frame) }
            var untroubled = world
            try untroubled.change(removing: [.frames(0x1002, 2)], adding: [moved])
            calls = untroubled.kvm.calls.count
            world.kvm.startCounting(failing: [number: .outOfMemory])
            #expect(throws: AddressSpaceError.self) {
                try world.change(removing: [.frames(0x1002, 2)], adding: [moved])
            }
            #expect(try Self.dirtyFrames(&world) == Array(0x1000..<0x1008), "call \(number)")
            number += 1
        }
        #expect(number >= 2)
    }

    @Test func logThatCannotBeTakenIsAnErrorAndLosesNothing() throws {
        var world = try Self.world(.separate)
        for frame in [0x1000, 0x1002, 0x1004] as [UInt64] { world.kvm.write(frame: frame) }
        world.kvm.startCounting(failing: [1: .again])
        #expect(throws: AddressSpaceError.dirtyLog(world.slots[1], .again)) { try Self.dirtyFrames(&world) }
        #expect(try Self.dirtyFrames(&world) == [0x1000, 0x1002, 0x1004])
    }

    /// KVM forgets a slot's log when the slot stops logging: once that is undone, each page may have been written.
    @Test(arguments: SlotPolicy.allCases)
    func failedEndOfLoggingLosesNothing(policy: SlotPolicy) throws {
        var untroubled = try Self.world(policy)
        untroubled.kvm.startCounting()
        try untroubled.setDirtyLogging(false, in: .frames(0x1000, 6))
        let calls = untroubled.kvm.calls.count
        for number in 0..<calls {
            var world = try Self.world(policy)
            let slots = world.slots
            world.kvm.write(frame: 0x1000)
            world.kvm.write(frame: 0x1007)
            world.kvm.startCounting(failing: [number: .outOfMemory])
            #expect(throws: AddressSpaceError.self) { try world.setDirtyLogging(false, in: .frames(0x1000, 6)) }
            #expect(world.slots == slots && world.slots == world.kvm.kvm.byAddress)
            world.kvm.write(frame: 0x1002)
            let frames = Set(try Self.dirtyFrames(&world))
            #expect(frames.isSuperset(of: [0x1000, 0x1002, 0x1007]), "call \(number)")
            #expect(frames.isDisjoint(with: [0x1006]), "call \(number)")
        }
        #expect(calls >= 1)
    }

    @Test func endOfLoggingIsOneCallASlot() throws {
        var world = try Self.world(.separate)
        let logging = world.slots.count { $0.flags.contains(.logDirtyPages) }
        try world.setDirtyLogging(false, in: Self.all)
        #expect(world.kvm.calls.count == logging && logging == 4)
    }

    /// After an undo that failed a slot may begin inside a mapping; what was written through it counts all the same.
    @Test func slotThatBeginsInsideAMappingIsHarvested() {
        let mapping = Mapping(
            range: .frames(8, 4), backing: Backing(offset: 0x5000), owner: .bar(function: 0x20, number: 2))
        var mappings = RangeIndex<PlacedMapping>()
        mappings.insert(PlacedMapping(mapping: mapping, host: 0x1000_5000, logsDirtyPages: true))
        var dirty = DirtyPages()
        dirty.insert([0b111], of: Memslot(id: 3, range: .frames(10, 4), host: 0x1000_7000), in: mappings)
        let pages = (0..<16).filter { dirty.remove(page: $0, of: 0) }
        #expect(pages == [7, 8])
    }
}
