import PropertySupport
import Testing

@testable import Memslots

@Suite struct FreeIDsTests {
    @Test func nothingIsFreeBelowNoCapacity() {
        let ids = FreeIDs()
        #expect(ids.lowest == nil)
        #expect(ids.isFree(0))
        #expect(ids.byteSize == 0)
    }

    /// Capacities around each level of the bitmap.
    @Test(arguments: [1, 2, 63, 64, 65, 4095, 4096, 4097, 32_764, 40_000])
    func idsComeInAscendingOrderUpToTheCapacity(capacity: Int) throws {
        var ids = FreeIDs()
        ids.resize(to: capacity)
        for id in 0..<capacity {
            try ensure(ids.lowest == id)
            ids.take(id)
        }
        #expect(ids.lowest == nil)
        #expect(ids.isFree(capacity))
    }

    @Test(arguments: [1, 64, 65, 4096, 32_764, 40_000])
    func releasedInDescendingOrderTheLatestIsLowest(capacity: Int) throws {
        var ids = FreeIDs()
        ids.resize(to: capacity)
        for id in 0..<capacity { ids.take(id) }
        for id in (0..<capacity).reversed() {
            ids.release(id)
            try ensure(ids.lowest == id)
        }
    }

    @Test func largestCapacityIsUsableToItsEnd() {
        var ids = FreeIDs()
        ids.resize(to: FreeIDs.maximumCapacity)
        for id in 0..<FreeIDs.maximumCapacity { ids.take(id) }
        #expect(ids.lowest == nil)
        ids.release(FreeIDs.maximumCapacity - 1)
        #expect(ids.lowest == FreeIDs.maximumCapacity - 1)
    }

    @Test func growingKeepsWhatIsTaken() {
        var ids = FreeIDs()
        ids.resize(to: 10)
        for id in 0..<10 where id != 3 { ids.take(id) }
        ids.resize(to: 100)
        #expect((0..<10).filter(ids.isFree) == [3])
        ids.take(3)
        #expect(ids.lowest == 10)
    }

    @Test func shrinkingLeavesNoIDFromTheNewCapacityOn() {
        var ids = FreeIDs()
        ids.resize(to: 100)
        for id in 0..<10 { ids.take(id) }
        ids.resize(to: 10)
        #expect(ids.capacity == 10)
        #expect(ids.lowest == nil)
        ids.resize(to: 11)
        #expect(ids.lowest == 10)
    }

    @Test(arguments: [64, 4096, 32_764, 40_000])
    func takesABitAnIDAndLittleMore(capacity: Int) {
        var ids = FreeIDs()
        ids.resize(to: capacity)
        #expect(ids.byteSize <= capacity / 8 + capacity / 512 + 160)
    }

    /// Random takes, releases and resizes against a set of the ids that are taken.
    @Test(arguments: propertySeeds)
    func aSetSaysTheSame(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var ids = FreeIDs()
        var taken = Set<Int>()
        for step in 0..<30_000 {
            let id = Int.random(in: 0..<max(1, ids.capacity), using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0:
                ids.resize(to: (taken.max() ?? -1) + 1 + .random(in: 0..<200, using: &random))
            case 1..<50:
                if let lowest = ids.lowest {
                    ids.take(lowest)
                    try ensure(taken.insert(lowest).inserted)
                }
            case 50..<60:
                if id < ids.capacity, taken.insert(id).inserted { ids.take(id) }
            default:
                if taken.remove(id) != nil { ids.release(id) }
            }
            try ensure(ids.isFree(id) == !taken.contains(id))
            if step.isMultiple(of: 50) {
                try ensure(ids.lowest == (0..<ids.capacity).first { !taken.contains($0) })
            }
        }
    }
}
