import Memslots
import PropertySupport
import Testing

@testable import PCI

@Suite struct RangeIndexTests {
    /// The page at `page`, of function `page`.
    private static func region(_ page: UInt64) throws -> DecodedRegion {
        let owner = BAROwner(
            function: FunctionAddress(requesterID: UInt16(truncatingIfNeeded: page)), register: .bar(0))
        return DecodedRegion(
            owner: owner, piece: 0, range: try range(page * 4096, 4096),
            of: BARPiece(offsets: 0..<4096, kind: .mapped))
    }

    @Test(arguments: propertySeeds)
    func indexFollowsASet(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var index = RangeIndex<DecodedRegion>()
        var pages: Set<UInt64> = []
        for step in 0..<20_000 {
            let page = random.next() % 1024
            if pages.contains(page) {
                index.remove(try Self.region(page))
                pages.remove(page)
            } else if random.next() % 4 != 0 || pages.count < 300 {
                index.insert(try Self.region(page))
                pages.insert(page)
            }
            let asked = random.next() % 1024
            let found = index.element(at: GuestAddress(asked * 4096 + 17))
            let expected = pages.contains(asked) ? try Self.region(asked) : nil
            try #require(found == expected, "seed \(seed), step \(step)")

            // A range of some pages, in whatever chunks.
            let count = 1 + random.next() % 4
            let overlapping = index.elements(in: try range(asked * 4096 + 17, count * 4096))
            let wanted = try (asked...asked + count).filter(pages.contains).map(Self.region)
            try #require(overlapping == wanted, "seed \(seed), step \(step)")
        }
        let expected = try pages.sorted().map(Self.region)
        #expect(index.elements == expected)
    }
}
