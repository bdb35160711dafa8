import PropertySupport

@testable import Memslots

/// A random change of a world: some mappings go, some come, some come back elsewhere or otherwise.
struct RandomChange {
    var removing: [GuestRange] = []
    var adding: [Mapping] = []

    /// Where mappings lie: both windows and the seam between them, outside, both ends of the address space, and where
    /// huge ones have room.
    private static let zones: [GuestRange] = [
        .frames(0x1000, 0x40), .frames(0x1000, 0x40), .frames(0x1000, 0x40), .frames(0x1040, 0x20), .frames(0, 8),
        .frames((1 << 40) - 8, 8), .frames(0x2000, 0x800), .frames(0x2400, 0x800),
    ]

    init(of world: World, using random: inout SplitMix64) {
        var left = world.mapped
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            guard let gone = left.randomElement(using: &random) else { break }
            left.removeAll { $0 == gone }
            removing.append(gone.range)
            switch Int.random(in: 0..<6, using: &random) {
            case 0..<3:
                var moved = gone
                let range = Self.range(pages: gone.range.pages, using: &random)
                moved.range = range
                adding.append(moved)
            case 3:
                var changed = gone
                changed.access = gone.access == .readOnly ? .readWrite : .readOnly
                adding.append(changed)
            case 4:
                adding.append(Self.mapping(over: gone.range, using: &random))
            default: break
            }
        }
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            adding.append(Self.mapping(over: Self.range(pages: nil, using: &random), using: &random))
        }
        if removing.count >= 2, Int.random(in: 0..<3, using: &random) == 0 {
            permute(world)
        }
        removing.shuffle(using: &random)
        adding.shuffle(using: &random)
    }

    /// All that is removed comes back at the place of the next one: a swap, or a circle of three.
    private mutating func permute(_ world: World) {
        let gone = removing.compactMap { range in world.mapped.first { $0.range == range } }
        adding = gone.enumerated().compactMap { position, mapping in
            let target = gone[(position + 1) % gone.count].range.first
            let range = GuestRange.frames(target.frame, mapping.range.pages)
            guard range.last.rawValue < 1 << 52 else { return nil }
            return Mapping(range: range, backing: mapping.backing, access: mapping.access, owner: mapping.owner)
        }
    }

    private static func range(pages: UInt64?, using random: inout SplitMix64) -> GuestRange {
        let sizes: [UInt64] = [1, 1, 1, 2, 2, 3, 4, 511, 512, 513]
        let zone = zones[Int.random(in: 0..<zones.count, using: &random)]
        var pages = pages ?? sizes[Int.random(in: 0..<sizes.count, using: &random)]
        if pages > zone.pages { pages = 1 + pages % zone.pages }
        let first = zone.first.frame + .random(in: 0...zone.pages - pages, using: &random)
        return .frames(first, pages)
    }

    /// Backings that follow the guest make neighbours in the host; the others do not.
    private static func mapping(over range: GuestRange, using random: inout SplitMix64) -> Mapping {
        let follows = Bool.random(using: &random)
        let page = follows ? range.first.frame & 0xffff : .random(in: 0..<0x40, using: &random)
        return Mapping(
            range: range, backing: Backing(id: follows ? 0 : 1, offset: page << 12),
            access: Int.random(in: 0..<4, using: &random) == 0 ? .readOnly : .readWrite,
            owner: .other(Int(random.next() & 0xffff)))
    }

    // MARK: What should come of it

    enum Verdict: Equatable {
        case accepted, overlap, tooManySlots
    }

    func verdict(in world: World) -> Verdict {
        let after = World.mappings(world.mapped, without: removing, with: adding)
        for (left, right) in zip(after, after.dropFirst()) where left.range.overlaps(right.range) {
            return .overlap
        }
        let needed = World.plan(after, policy: world.space.policy).count
        return needed > world.space.table.limit ? .tooManySlots : .accepted
    }
}
