import Testing

@testable import Memslots

/// Which mappings share a slot, and which edits a change takes.
@Suite struct AddressSpacePolicyTests {
    /// A mapping whose backing follows the guest, so that neighbours are neighbours in the host with and without window.
    private static func mapping(_ frame: UInt64, _ pages: UInt64 = 1, _ access: Access = .readWrite) -> Mapping {
        Mapping(
            range: .frames(frame, pages), backing: Backing(offset: frame << 12), access: access,
            owner: .other(Int(frame)))
    }

    private static func world(_ policy: SlotPolicy, _ mappings: [Mapping]) throws -> World {
        var world = World(policy: policy)
        try world.change(adding: mappings)
        world.kvm.startCounting()
        return world
    }

    // MARK: Coalescing

    @Test func separateMappingsNeverShareASlot() throws {
        let world = try Self.world(.separate, (0..<8).map { Self.mapping(0x1000 + $0) })
        #expect(world.slots.count == 8 && world.problem == nil)
    }

    /// As many as fill a window; added at once or one by one, from either end.
    @Test(arguments: [1, 31, 32])
    func neighboursInAWindowShareASlot(count: Int) throws {
        let mappings = (0..<UInt64(count)).map { Self.mapping(0x1000 + $0) }
        var world = try Self.world(.coalesced, mappings)
        #expect(world.slots.map(\.range) == [.frames(0x1000, UInt64(count))])
        for mapping in mappings { try world.change(removing: [mapping.range]) }
        for mapping in mappings.reversed() { try world.change(adding: [mapping]) }
        #expect(world.slots.map(\.range) == [.frames(0x1000, UInt64(count))] && world.problem == nil)
    }

    @Test func windowMakesNeighboursOfAnyBackings() throws {
        var mappings = (0..<8).map { Self.mapping(0x1000 + $0) }
        for position in mappings.indices {
            mappings[position].backing = Backing(id: position % 2, offset: UInt64(40 - position) << 12)
        }
        let world = try Self.world(.coalesced, mappings)
        #expect(world.slots.count == 1 && world.problem == nil)
    }

    @Test func mappingsOutsideWindowsStayAlone() throws {
        let world = try Self.world(.coalesced, [Self.mapping(0x1040), Self.mapping(0x1041)])
        #expect(world.slots.map(\.range) == [.frames(0x1040), .frames(0x1041)])
    }

    @Test func gapEndsARun() throws {
        let world = try Self.world(.coalesced, [Self.mapping(0x1000), Self.mapping(0x1002)])
        #expect(world.slots.count == 2)
    }

    @Test func otherAccessEndsARun() throws {
        let world = try Self.world(
            .coalesced, [Self.mapping(0x1000), Self.mapping(0x1001, 1, .readOnly), Self.mapping(0x1002, 1, .readOnly)])
        #expect(world.slots.map(\.range) == [.frames(0x1000), .frames(0x1001, 2)])
    }

    @Test func windowsDoNotJoinEachOther() throws {
        let world = try Self.world(.coalesced, [Self.mapping(0x101f), Self.mapping(0x1020)])
        #expect(world.slots.count == 2)
    }

    @Test func mappingAcrossTheEndOfAWindowStaysOutside() throws {
        let world = try Self.world(.coalesced, [Self.mapping(0x103f, 2)])
        #expect(
            world.kvm.windowPages.isEmpty && world.slots.first?.host == World.placement.backings[0] + (0x103f << 12))
    }

    /// 2 MiB and more stay alone on either side of a neighbour; what is smaller joins.
    @Test(
        arguments: [
            ([511, 1], 1), ([1, 511], 1), ([512, 1], 2), ([1, 512], 2), ([511, 511, 511], 1), ([1, 512, 1], 3),
            ([512, 512], 2), ([511, 1, 1], 1),
        ] as [([UInt64], Int)])
    func onlyMappingsBelow2MiBShareASlot(sizes: [UInt64], count: Int) throws {
        var frame: UInt64 = 0x2400
        var mappings: [Mapping] = []
        for size in sizes {
            mappings.append(Self.mapping(frame, size))
            frame += size
        }
        let world = try Self.world(.coalesced, mappings)
        #expect(world.slots.count == count && world.problem == nil)
    }

    @Test(arguments: [(UInt64(1), 1), (2, 2)])
    func runHasAtMost2To31Minus1Pages(pages: UInt64, count: Int) {
        let huge = Mapping(range: .frames(0, (1 << 31) - 2), backing: Backing(offset: 0), owner: .other(0))
        let next = PlacedMapping(mapping: Self.mapping((1 << 31) - 2, pages), host: huge.range.size, isInWindow: true)
        var slots: [WantedSlot] = []
        slots.append(PlacedMapping(mapping: huge, host: 0, isInWindow: true))
        slots.append(next)
        #expect(slots.count == count)
    }

    @Test func runIsSplitWhereAMappingGoes() throws {
        var world = try Self.world(.coalesced, (0..<5).map { Self.mapping(0x1000 + $0) })
        try world.change(removing: [.frames(0x1002)])
        #expect(world.slots.map(\.range) == [.frames(0x1000, 2), .frames(0x1003, 2)] && world.problem == nil)
    }

    @Test func runsAreJoinedWhereAGapCloses() throws {
        var world = try Self.world(.coalesced, [Self.mapping(0x1000), Self.mapping(0x1002)])
        try world.change(adding: [Self.mapping(0x1001)])
        #expect(world.slots.map(\.range) == [.frames(0x1000, 3)] && world.problem == nil)
    }

    @Test func otherBackingInARunEditsNoSlot() throws {
        var world = try Self.world(.coalesced, (0..<3).map { Self.mapping(0x1000 + $0) })
        var other = Self.mapping(0x1001)
        other.backing = Backing(id: 1, offset: 0)
        try world.change(removing: [other.range], adding: [other])
        #expect(world.problem == nil)
        #expect(world.kvm.calls.count == 2 && world.kvm.calls.allSatisfy { if case .set = $0 { false } else { true } })
    }

    // MARK: Locality

    @Test(arguments: SlotPolicy.allCases)
    func changeAmongManyTouchesOnlyItsNeighbours(policy: SlotPolicy) throws {
        var world = try Self.world(policy, (0..<20).map { Self.mapping(0x1000 + $0 * 3) })
        try world.change(adding: [Self.mapping(0x1013, 2)])
        #expect(world.problem == nil)
        #expect(world.kvm.calls.count <= (policy == .separate ? 1 : 4))
    }

    @Test(arguments: SlotPolicy.allCases)
    func emptyChangeParksNobody(policy: SlotPolicy) throws {
        var world = try Self.world(policy, [Self.mapping(0x1000)])
        try world.change()
        #expect(world.kvm.calls.isEmpty && world.kvm.parks == 0 && world.kvm.resumes == 0)
    }

    @Test func sameMappingAgainEditsNothing() throws {
        var world = try Self.world(.separate, [Self.mapping(0x1000)])
        try world.change(removing: [.frames(0x1000)], adding: [Self.mapping(0x1000)])
        #expect(world.kvm.calls.isEmpty && world.kvm.parks == 0 && world.problem == nil)
    }
}
