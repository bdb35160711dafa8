import PropertySupport
import Testing

@testable import Memslots

@Suite struct UsedIDsTests {
    @Test func nothingIsUsedAtFirst() {
        let ids = UsedIDs()
        #expect(ids.lowestFree == 0)
        #expect(ids.end == 0)
        #expect(!ids.contains(0))
        #expect(ids.byteSize == 0)
    }

    /// Capacities around the bits of a word, and larger ones.
    @Test(arguments: [1, 2, 63, 64, 65, 4095, 4096, 4097, 32_764, 40_000])
    func idsComeInAscendingOrderUpToTheCapacity(capacity: Int) throws {
        var ids = UsedIDs()
        ids.resize(to: capacity)
        for id in 0..<capacity {
            try ensure(ids.lowestFree == id)
            ids.insert(id)
            try ensure(ids.end == id + 1)
        }
        #expect(ids.lowestFree == capacity)
        #expect(!ids.contains(capacity))
    }

    @Test(arguments: [1, 64, 65, 4096, 32_764, 40_000])
    func removedInDescendingOrderTheLatestIsLowest(capacity: Int) throws {
        var ids = UsedIDs()
        ids.resize(to: capacity)
        for id in 0..<capacity { ids.insert(id) }
        for id in (0..<capacity).reversed() {
            ids.remove(id)
            try ensure(ids.lowestFree == id && ids.end == id)
        }
    }

    @Test func growingKeepsWhatIsUsed() {
        var ids = UsedIDs()
        ids.resize(to: 10)
        for id in 0..<10 where id != 3 { ids.insert(id) }
        ids.resize(to: 100)
        #expect((0..<11).filter { !ids.contains($0) } == [3, 10])
        ids.insert(3)
        #expect(ids.lowestFree == 10)
    }

    @Test(arguments: [10, 64])
    func shrinkingKeepsWhatIsUsed(capacity: Int) {
        var ids = UsedIDs()
        ids.resize(to: 1000)
        for id in 0..<capacity { ids.insert(id) }
        ids.resize(to: capacity)
        #expect(ids.lowestFree == capacity && ids.end == capacity)
        ids.resize(to: 1000)
        #expect(ids.lowestFree == capacity && ids.end == capacity)
    }

    @Test(arguments: [64, 4096, 32_764, 40_000])
    func takesABitAnIDAndLittleMore(capacity: Int) {
        var ids = UsedIDs()
        ids.resize(to: capacity)
        #expect(ids.byteSize <= capacity / 8 + capacity / 512 + 160)
    }

    /// Random inserts, removals and resizes against a set.
    @Test(arguments: propertySeeds)
    func aSetSaysTheSame(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var ids = UsedIDs()
        var used = Set<Int>()
        var capacity = 0
        for step in 0..<30_000 {
            let id = Int.random(in: 0..<max(1, capacity), using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0:
                capacity = (used.max() ?? -1) + 1 + .random(in: 0..<200, using: &random)
                ids.resize(to: capacity)
            case 1..<50:
                let lowest = ids.lowestFree
                if lowest < capacity {
                    ids.insert(lowest)
                    try ensure(used.insert(lowest).inserted)
                }
            case 50..<60:
                if id < capacity, used.insert(id).inserted { ids.insert(id) }
            default:
                if used.remove(id) != nil { ids.remove(id) }
            }
            try ensure(ids.contains(id) == used.contains(id))
            if step.isMultiple(of: 50) {
                try ensure(ids.lowestFree == (0...used.count).first { !used.contains($0) })
                try ensure(ids.end == (used.max() ?? -1) + 1)
            }
        }
    }
}
