import Testing

@testable import Memslots

/// A mapping that moves with its backing, under `.separate`: one MOVE, where its way is free.
@Suite struct AddressSpaceMoveTests {
    private enum Edit: Equatable {
        case create, delete, move, flags
    }

    /// A world of mappings of some sizes at some frames, and the edits that bring each to its target.
    private static func edits(moving places: [(from: UInt64, to: UInt64, pages: UInt64)]) throws -> [Edit] {
        var world = World(policy: .separate)
        let mappings = places.enumerated().map { number, place in
            Mapping(
                range: .frames(place.from, place.pages), backing: Backing(offset: UInt64(number) << 20),
                owner: .other(Int(number)))
        }
        try world.change(adding: mappings)
        world.kvm.startCounting()
        let before = world
        var moved = mappings
        for (number, place) in places.enumerated() { moved[number].range = .frames(place.to, place.pages) }
        try world.change(removing: mappings.map(\.range), adding: moved)
        if let problem = world.problem { Issue.record(problem) }

        var held = before.kvm.kvm
        return try world.kvm.calls.map { call in
            guard case .set(let request) = call else {
                Issue.record("\(call)")
                return .flags
            }
            let id = SlotID(request.slot)
            let old = held.slots[id]
            try held.set(request)
            guard let old else { return .create }
            guard let new = held.slots[id] else { return .delete }
            return old.range == new.range ? .flags : .move
        }
    }

    @Test func mappingThatMovesIsOneMove() throws {
        #expect(try Self.edits(moving: [(8, 32, 4)]) == [.move])
    }

    @Test(arguments: [UInt64(6), 7, 9, 11])
    func moveMayOverlapItsOwnOldPlace(target: UInt64) throws {
        #expect(try Self.edits(moving: [(8, target, 4)]) == [.move])
    }

    @Test(arguments: [-1, 1])
    func rowThatShiftsTakesAMoveEach(distance: Int64) throws {
        let row = (0..<6).map { number in
            let frame = 10 + 2 * UInt64(number)
            return (from: frame, to: UInt64(Int64(frame) + distance), pages: UInt64(2))
        }
        #expect(try Self.edits(moving: row) == Array(repeating: .move, count: 6))
    }

    /// Of slots that go round in a circle one has to step aside.
    @Test(arguments: [2, 3, 7])
    func circleIsOneDeleteOneCreateAndMoves(count: Int) throws {
        let circle = (0..<count).map { number in
            (from: 10 + UInt64(number), to: 10 + UInt64((number + 1) % count), pages: UInt64(1))
        }
        let edits = try Self.edits(moving: circle)
        #expect(edits == [.delete] + Array(repeating: .move, count: count - 1) + [.create])
    }

    @Test func twoCirclesAreBrokenOnceEach() throws {
        let edits = try Self.edits(moving: [(10, 11, 1), (11, 10, 1), (20, 21, 1), (21, 20, 1)])
        #expect(edits == [.delete, .delete, .move, .move, .create, .create])
    }

    /// Two swap, and a third goes to where the larger one of them leaves room: it only has to wait.
    @Test func whatWaitsForACircleIsStillAMove() throws {
        let edits = try Self.edits(moving: [(40, 10, 1), (10, 20, 2), (20, 11, 1)])
        #expect(edits == [.delete, .move, .move, .create] || edits == [.delete, .move, .create, .move])
    }

    @Test func mappingOfAnotherSizeIsDeletedAndCreated() throws {
        var world = World(policy: .separate)
        let backing = Backing(offset: 0)
        try world.change(adding: [Mapping(range: .frames(8, 2), backing: backing, owner: .other(0))])
        world.kvm.startCounting()
        try world.change(
            removing: [.frames(8, 2)], adding: [Mapping(range: .frames(20, 3), backing: backing, owner: .other(0))])
        #expect(world.kvm.calls.count == 2 && world.problem == nil)
    }

    @Test func mappingOfOtherAccessIsDeletedAndCreated() throws {
        var world = World(policy: .separate)
        var mapping = Mapping(range: .frames(8, 2), backing: Backing(offset: 0), owner: .other(0))
        try world.change(adding: [mapping])
        world.kvm.startCounting()
        mapping.access = .readOnly
        try world.change(removing: [mapping.range], adding: [mapping])
        #expect(world.kvm.calls.count == 2 && world.problem == nil)
    }

    /// Two mappings of one backing: each slot goes to a place of its own.
    @Test func aliasesMoveTogether() throws {
        var world = World(policy: .separate)
        func mapping(_ frame: UInt64) -> Mapping {
            Mapping(range: .frames(frame), backing: Backing(offset: 0x5000), owner: .other(0))
        }
        try world.change(adding: [mapping(1), mapping(3)])
        world.kvm.startCounting()
        try world.change(removing: [.frames(1), .frames(3)], adding: [mapping(5), mapping(7)])
        #expect(world.kvm.calls.count == 2 && world.problem == nil)
    }
}
