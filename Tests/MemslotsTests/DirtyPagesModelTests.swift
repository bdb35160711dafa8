import PropertySupport
import Testing

@testable import Memslots

/// Random writes, changes, failures, logging on and off and fetches, against sets of pages.
@Suite struct DirtyPagesModelTests {
    /// Each mapping has a part of the backing to itself, so that a page of it says which page of which mapping it is.
    private struct Model {
        var world: World
        /// By first page in the backing.
        var logs: Set<UInt64> = []
        var dirty: Set<UInt64> = []
        var unmapped: [Mapping]

        init(policy: SlotPolicy) {
            world = World(policy: policy)
            // Those of three pages leave no gap in the backing before the next.
            unmapped = (0..<12).map { number in
                Mapping(
                    range: .frames(0, 2 + UInt64(number) % 2), backing: Backing(offset: UInt64(number) * 3 << 12),
                    access: number % 5 == 0 ? .readOnly : .readWrite, owner: .other(Int(number)))
            }
        }

        static func page(_ mapping: Mapping, at frame: UInt64? = nil) -> UInt64 {
            mapping.backing.offset / 4096 + (frame.map { $0 - mapping.range.first.frame } ?? 0)
        }

        mutating func write(frame: UInt64) {
            world.kvm.write(frame: frame)
            for mapping in world.mapped where mapping.range.contains(GuestAddress(frame << Page.shift)) {
                if logs.contains(Self.page(mapping)), mapping.access == .readWrite {
                    dirty.insert(Self.page(mapping, at: frame))
                }
            }
        }

        mutating func setLogging(_ isOn: Bool, in range: GuestRange) throws {
            try world.setDirtyLogging(isOn, in: range)
            for mapping in world.mapped where mapping.range.overlaps(range) {
                if isOn {
                    logs.insert(Self.page(mapping))
                } else {
                    logs.remove(Self.page(mapping))
                    for frame in mapping.range.first.frame...mapping.range.last.frame {
                        dirty.remove(Self.page(mapping, at: frame))
                    }
                }
            }
        }

        /// Some mappings go, some come; those that come log if they did before, and what was written of them is kept.
        mutating func change(failing call: Int?, using random: inout SplitMix64) throws {
            let gone = world.mapped.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
            var adding: [Mapping] = []
            for var mapping in (unmapped + gone).shuffled(using: &random).prefix(.random(in: 0...4, using: &random)) {
                mapping.range = .frames(.random(in: 0x1000..<0x1020, using: &random), mapping.range.pages)
                let after = World.mappings(world.mapped, without: gone.map(\.range), with: adding)
                if !after.contains(where: { $0.range.overlaps(mapping.range) }) { adding.append(mapping) }
            }
            world.kvm.startCounting(failing: call.map { [$0: .outOfMemory] } ?? [:])
            defer { world.kvm.startCounting() }
            do throws(AddressSpaceError) {
                try world.change(removing: gone.map(\.range), adding: adding)
            } catch {
                try ensure(call != nil, "\(error)")
                return
            }
            let added = Set(adding.map { Self.page($0) })
            unmapped = (unmapped + gone).filter { !added.contains(Self.page($0)) }
        }

        mutating func checkFetch(of range: GuestRange, _ step: Int) throws {
            let bitmap = try world.takeDirtyPages(in: range)
            for mapping in world.mapped {
                for frame in mapping.range.first.frame...mapping.range.last.frame
                where range.contains(GuestAddress(frame << Page.shift)) {
                    let isDirty = dirty.remove(Self.page(mapping, at: frame)) != nil
                    try ensure(
                        bitmap.contains(GuestAddress(frame << Page.shift)) == isDirty,
                        "step \(step): frame \(frame) of \(mapping), dirty: \(isDirty)")
                }
            }
        }
    }

    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func setsOfPagesSayTheSame(seed: UInt64, policy: SlotPolicy) throws {
        var random = SplitMix64(seed: seed)
        var model = Model(policy: policy)
        for step in 0..<6000 {
            let range = GuestRange.frames(
                .random(in: 0x1000..<0x1020, using: &random), .random(in: 1...8, using: &random))
            switch Int.random(in: 0..<20, using: &random) {
            case 0: try model.change(failing: nil, using: &random)
            case 1: try model.change(failing: .random(in: 0..<8, using: &random), using: &random)
            case 2..<7: try model.setLogging(.random(using: &random), in: range)
            case 7..<9: try model.checkFetch(of: range, step)
            default: model.write(frame: range.first.frame)
            }
        }
    }
}
