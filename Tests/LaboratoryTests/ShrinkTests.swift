import PropertySupport
import Testing

@testable import Laboratory

@Suite struct ShrinkTests {
    @Test("what is left is just what it takes", arguments: propertySeeds)
    func needles(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            let list = Array(0..<Int.random(in: 1..<400, using: &random))
            let needles = Set(
                (0..<Int.random(in: 1..<6, using: &random)).compactMap { _ in list.randomElement(using: &random) })
            var tries = 0
            let smallest = shrink(list, simpler: { _ in [] }) { candidate in
                tries += 1
                return needles.isSubset(of: candidate)
            }
            #expect(smallest == needles.sorted(), "seed \(seed)")
            #expect(tries < 12 * 9 * needles.count + 40, "seed \(seed): \(tries) tries for \(list.count) elements")
        }
    }

    @Test("order counts, and elements become simpler as long as it fails")
    func orderAndValues() {
        let smallest = shrink([9, 3, 80, 4, 71, 5, 60], simpler: { $0 > 0 ? [0, $0 / 2, $0 - 1] : [] }) { list in
            // A number of at least 50 before one of at least 30.
            list.indices.contains { first in list[first] >= 50 && list[(first + 1)...].contains { $0 >= 30 } }
        }
        #expect(smallest == [50, 30])
    }

    @Test("a list that fails when it is empty becomes empty")
    func empty() {
        #expect(shrink([1, 2, 3], simpler: { _ in [] }, fails: { _ in true }).isEmpty)
        #expect(shrink([Int](), simpler: { _ in [] }, fails: { _ in true }).isEmpty)
    }

    @Test("what fails throws through")
    func errors() {
        struct Trouble: Error {}
        #expect(throws: Trouble.self) { try shrink([1, 2], simpler: { _ in [] }, fails: { _ in throw Trouble() }) }
    }
}
