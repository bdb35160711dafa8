import PropertySupport
import Testing

@testable import Memslots

/// Pieces of host windows: a run of neighbours is placed by one `mmap` and cleared by one.
@Suite struct WindowRunTests {
    /// A mapping whose backing follows the guest.
    private static func mapping(_ frame: UInt64, _ pages: UInt64 = 1, _ access: Access = .readWrite) -> Mapping {
        Mapping(
            range: .frames(frame, pages), backing: Backing(offset: frame << 12), access: access,
            owner: .other(Int(frame)))
    }

    private static func world(_ mappings: [Mapping]) throws -> World {
        var world = World(policy: .coalesced)
        try world.change(adding: mappings)
        return world
    }

    private static func piece(_ frame: UInt64, _ pages: UInt64 = 1, backing: Backing? = nil) -> WindowPiece {
        let host = 0x5000_0000_0000 + (frame - 0x1000) << 12
        return WindowPiece(host: host, size: pages << 12, backing: backing ?? Backing(offset: frame << 12))
    }

    private static func pieces(_ world: World) -> [FakeKVM.Call] {
        world.kvm.calls.filter {
            switch $0 {
            case .place, .clear: true
            default: false
            }
        }
    }

    @Test func runIsPlacedByOneCallAndClearedByOne() throws {
        let mappings = [Self.mapping(0x1002, 3), Self.mapping(0x1000), Self.mapping(0x1005), Self.mapping(0x1001)]
        var world = try Self.world(mappings)
        #expect(Self.pieces(world) == [.place(Self.piece(0x1000, 6))] && world.problem == nil)
        world.kvm.startCounting()
        try world.change(removing: mappings.map(\.range))
        #expect(Self.pieces(world) == [.clear(Self.piece(0x1000, 6))] && world.problem == nil)
    }

    @Test func holeEndsARun() throws {
        let world = try Self.world([Self.mapping(0x1000, 2), Self.mapping(0x1003, 2)])
        #expect(Self.pieces(world) == [.place(Self.piece(0x1000, 2)), .place(Self.piece(0x1003, 2))])
        // Also where the backing has none.
        var next = Self.mapping(0x1003, 2)
        next.backing.offset = 0x1002 << 12
        let other = try Self.world([Self.mapping(0x1000, 2), next])
        #expect(
            Self.pieces(other)
                == [.place(Self.piece(0x1000, 2)), .place(Self.piece(0x1003, 2, backing: next.backing))])
        #expect(other.problem == nil)
    }

    /// Pages of another place in the backing, before or behind, and the next pages of another backing.
    @Test(arguments: [
        Backing(offset: 0x1002 << 12), Backing(offset: 0x1000 << 12), Backing(id: 1, offset: 0x1001 << 12),
    ])
    func otherBackingEndsARun(backing: Backing) throws {
        var other = Self.mapping(0x1001)
        other.backing = backing
        let world = try Self.world([Self.mapping(0x1000), other])
        #expect(
            Self.pieces(world) == [.place(Self.piece(0x1000)), .place(Self.piece(0x1001, backing: backing))])
        #expect(world.slots.count == 1 && world.problem == nil)
    }

    /// Access is a matter of slots, not of what lies in the window.
    @Test func otherAccessEndsNoRun() throws {
        let world = try Self.world([Self.mapping(0x1000), Self.mapping(0x1001, 1, .readOnly)])
        #expect(Self.pieces(world) == [.place(Self.piece(0x1000, 2))])
        #expect(world.slots.count == 2 && world.problem == nil)
    }

    @Test func windowsDoNotShareAPiece() throws {
        let world = try Self.world([Self.mapping(0x101f), Self.mapping(0x1020)])
        #expect(Self.pieces(world).count == 2 && world.problem == nil)
    }

    @Test func laterChangeTouchesOnlyItsOwnPieces() throws {
        var world = try Self.world((0..<5).map { Self.mapping(0x1000 + $0) })
        world.kvm.startCounting()
        try world.change(removing: [.frames(0x1002)])
        #expect(Self.pieces(world) == [.clear(Self.piece(0x1002))] && world.problem == nil)
        world.kvm.startCounting()
        try world.change(adding: [Self.mapping(0x1002)])
        #expect(Self.pieces(world) == [.place(Self.piece(0x1002))] && world.problem == nil)
        // One goes to another backing: its slot stays, and so do its neighbours.
        world.kvm.startCounting()
        var other = Self.mapping(0x1003)
        other.backing = Backing(id: 1, offset: 0x7000)
        try world.change(removing: [other.range], adding: [other])
        #expect(
            world.kvm.calls == [
                .clear(Self.piece(0x1003)), .place(Self.piece(0x1003, backing: other.backing)),
            ])
        #expect(world.problem == nil)
    }

    /// Where one call of a run fails, its pages are all as before.
    @Test func failedRunIsUndoneWhole() throws {
        var world = try Self.world((0..<4).map { Self.mapping(0x1000 + $0) })
        let before = world
        world.kvm.startCounting(failing: [2: .outOfMemory])
        let other = (0..<4).map {
            Mapping(range: .frames(0x1000 + $0), backing: Backing(id: 1, offset: $0 << 13), owner: .ram)
        }
        #expect(throws: AddressSpaceError.self) {
            try world.change(removing: (0..<4).map { .frames(0x1000 + $0) }, adding: other)
        }
        #expect(world.isSame(as: before) && world.kvm.complaints.isEmpty)
        #expect(
            world.kvm.calls.first == .clear(Self.piece(0x1000, 4))
                && world.kvm.calls.last == .place(Self.piece(0x1000, 4)))
    }

    /// The runs of random changes are those that a walk over the pages finds.
    @Test(arguments: propertySeeds)
    func runsAreAsLongAsTheyCanBe(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var world = World(policy: .coalesced)
        var shared = 0
        for number in 0..<1500 {
            let change = RandomChange(of: world, using: &random)
            guard change.verdict(in: world) == .accepted else { continue }
            let gone = world.mapped.filter { change.removing.contains($0.range) }
            world.kvm.startCounting()
            try world.change(removing: change.removing, adding: change.adding)
            let expected =
                Self.runs(gone).map { FakeKVM.Call.clear($0) } + Self.runs(change.adding).map { .place($0) }
            try ensure(Self.pieces(world) == expected, "seed \(seed), change \(number): \(change)")
            try ensure(world.problem == nil, "seed \(seed), change \(number): \(world.problem ?? "")")
            shared += gone.count + change.adding.count > expected.count ? 1 : 0
        }
        #expect(shared > 20)
    }

    /// The runs of the pages that mappings have in windows.
    private static func runs(_ mappings: [Mapping]) -> [WindowPiece] {
        var pieces: [WindowPiece] = []
        for mapping in mappings.sorted(by: { $0.range.first < $1.range.first }) {
            guard let window = World.window(of: mapping) else { continue }
            for page in 0..<mapping.range.pages {
                let host = window.host + (mapping.range.first.rawValue - window.aperture.first.rawValue) + page << 12
                let backing = Backing(id: mapping.backing.id, offset: mapping.backing.offset + page << 12)
                if let last = pieces.last, last.host + last.size == host, last.backing.id == backing.id,
                    last.backing.offset + last.size == backing.offset
                {
                    pieces[pieces.count - 1] = WindowPiece(
                        host: last.host, size: last.size + 4096, backing: last.backing)
                } else {
                    pieces.append(WindowPiece(host: host, size: 4096, backing: backing))
                }
            }
        }
        return pieces
    }
}
