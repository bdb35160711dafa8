import Foundation
import PropertySupport
import SeededRandom
import Testing

@testable import Laboratory

@Suite("The cells of a price list")
struct PriceCellTests {
    @Test("are at most 120, each once, with every operation, size and number of slots")
    func cells() {
        let cells = PriceCell.all(vcpus: [0, 1, 4])
        #expect(cells.count <= PriceCell.most && Set(cells.map(\.description)).count == cells.count)
        #expect(Set(cells.map(\.operation)) == Set(PriceOperation.allCases))
        #expect(Set(cells.map(\.slotBytes)) == [4 << 10, 2 << 20, 1 << 30])
        #expect(Set(cells.map(\.slots)) == [32, 2048, 32_000])
        #expect(Set(cells.map(\.activity)) == [nil, .spin, .halt, .fault])
        #expect(cells.allSatisfy { ($0.vcpus == 0) == ($0.activity == nil) })
        // Every operation that undoes another is measured with it.
        let book = PriceBook(cells)
        #expect(Set(book.pairs).count == book.pairs.count && Set(book.setups).count == book.setups.count)
        #expect(
            PriceOperation.allCases.compactMap(\.undo).allSatisfy { undo in
                !book.pairs.contains { $0.operation == undo }
            })
    }

    @Test("have names that scripts can cut")
    func names() {
        let cell = PriceCell(operation: .batch8Unparked, slotBytes: 2 << 20, slots: 32, vcpus: 4, activity: .spin)
        #expect(cell.description == "batch-8-unparked/2M/32/4-spin")
        #expect(PriceCell.all(vcpus: [0]).first?.description == "no-op/4K/32/0")
    }
}

@Suite("The JSON of a price list")
struct PriceJSONTests {
    @Test("is what docs/prices.md says, key by key")
    func documented() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../docs/prices.md")
        let text = try String(contentsOf: root, encoding: .utf8)
        let json = try #require(
            text.components(separatedBy: "```json\n").dropFirst().first?.components(separatedBy: "```").first)
        let list = try JSONDecoder().decode(Measured<PriceResult>.self, from: Data(json.utf8))
        let encoded = try JSONSerialization.jsonObject(with: JSONEncoder().encode(list)) as? NSDictionary
        #expect(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary == encoded)
        #expect(PriceComparison.canCompare(list.result) && list.environment.schema == "swiftlet prices 1")
        // Each operation has its row there, or shares one.
        for operation in PriceOperation.allCases {
            let name = operation.rawValue.split(separator: "-").map(String.init)
            #expect(text.contains("`\(operation.rawValue)`") || text.contains("`-\(name.last ?? "")`"), "\(operation)")
        }
    }
}

@Suite("The comparison of price lists")
struct PriceComparisonTests {
    private static let cell = PriceCell(operation: .create, slotBytes: 4096, slots: 32, vcpus: 0, activity: nil)

    private func row(
        _ medians: [Double], _ cell: PriceCell = cell, calls: [Double]? = nil, work: Double = 10, waits: Double? = 0
    ) throws -> PriceRow {
        let summary: [String: Any] = ["p50": medians[medians.count / 2], "p99": medians.max() ?? 1, "max": 1e6]
        var object: [String: Any] = [
            "cell": [
                "operation": cell.operation.rawValue, "slotBytes": cell.slotBytes, "slots": cell.slots, "vcpus": 0,
            ],
            "microseconds": summary, "medians": medians, "referenceMedians": medians.map { _ in work },
        ]
        object["waitShare"] = waits
        object["systemCalls"] = calls == nil ? nil : summary
        object["systemCallMedians"] = calls
        return try JSONDecoder().decode(PriceRow.self, from: JSONSerialization.data(withJSONObject: object))
    }

    private func compare(_ a: [PriceRow], _ b: [PriceRow], threshold: Double = 1.1) -> PriceComparison {
        func result(_ rows: [PriceRow]) -> PriceResult {
            PriceResult(rowList: rows, unmeasured: [], interrupted: false, ok: true)
        }
        return PriceComparison(result(a), result(b), threshold: threshold)
    }

    private static let quiet: [Double] = [10, 10.1, 10.2, 10.3, 10.4]

    @Test("finds a difference that every round has, and only above the threshold")
    func difference() throws {
        let a = try row(Self.quiet, calls: Self.quiet)
        let b = try row(Self.quiet.map { $0 * 1.3 }, calls: Self.quiet.map { $0 * 1.2 })
        let comparison = compare([a], [b])
        let found = try #require(comparison.rowList.first)
        #expect(found.verdict == .slower && !comparison.ok && abs(found.ratio - 1.3) < 1e-9)
        #expect(found.lowest > 1.2 && found.highest < 1.4)
        #expect(found.systemCallRatio.map { abs($0 - 1.2) < 1e-9 } == true)
        #expect(compare([b], [a]).rowList.map(\.verdict) == [.faster] && compare([b], [a]).ok)
        #expect(compare([a], [b], threshold: 1.4).rowList.map(\.verdict) == [.equal])
        #expect(compare([a], [a]).rowList.map(\.verdict) == [.equal])
    }

    @Test("finds none where the reference work was as much slower")
    func slowHost() throws {
        let comparison = compare([try row(Self.quiet)], [try row(Self.quiet.map { $0 * 3 }, work: 30)])
        #expect(comparison.rowList.map(\.verdict) == [.equal] && comparison.referenceRatio == 3 && comparison.ok)
    }

    @Test("calls it noise where rounds overlap, or one run waited more for processors")
    func noise() throws {
        let a = try row(Self.quiet)
        let overlapping = try row([10.3, 20, 30, 40, 50])
        let waiting = try row(Self.quiet.map { $0 * 2 }, waits: 0.4)
        let few = try row([20, 20.1])
        for b in [overlapping, waiting, few] {
            let comparison = compare([a], [b])
            #expect(comparison.rowList.map(\.verdict) == [.noisy] && comparison.ok)
            #expect(compare([b], [a]).rowList.map(\.verdict) == [.noisy])
        }
        // One slow round is a moment, and two are none.
        #expect(
            compare([try row([10, 10, 10, 10, 900])], [try row(Self.quiet.map { $0 * 2 })]).rowList.map(\.verdict) == [
                .slower
            ])
        #expect(
            compare([try row([10, 10, 10, 900, 900])], [try row(Self.quiet.map { $0 * 2 })]).rowList.map(\.verdict) == [
                .noisy
            ])
        // Where the kernel does not tell, rounds alone decide.
        #expect(compare([a], [try row(Self.quiet.map { $0 * 2 }, waits: nil)]).rowList.map(\.verdict) == [.slower])
    }

    @Test("counts no difference where the whole of one run waited more")
    func neighbours() throws {
        let other = PriceCell(operation: .move, slotBytes: 4096, slots: 32, vcpus: 0, activity: nil)
        let slower = Self.quiet.map { $0 * 2 }
        let comparison = compare(
            [try row(Self.quiet, waits: 0.05), try row(Self.quiet, other, waits: 0.1)],
            [try row(slower, waits: 0.1), try row(slower, other, waits: 0.5)])
        #expect(comparison.hasOtherNeighbours && comparison.rowList.map(\.verdict) == [.noisy, .noisy])
    }

    @Test("names the cells of one list only")
    func onlyInOne() throws {
        let other = PriceCell(operation: .move, slotBytes: 4096, slots: 32, vcpus: 0, activity: nil)
        let comparison = compare([try row(Self.quiet), try row(Self.quiet, other)], [try row(Self.quiet)])
        #expect(comparison.onlyInA == ["move/4K/32/0"] && comparison.onlyInB.isEmpty && comparison.rowList.count == 1)
    }

    @Test("is the opposite the other way round, whatever the times", arguments: propertySeeds)
    func symmetry(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            func times() -> [Double] { (0..<5).map { _ in Double.random(in: 1...12, using: &random) } }
            let (a, b) = (try row(times(), work: .random(in: 5...20, using: &random)), try row(times()))
            let (there, back) = (compare([a], [b]).rowList[0], compare([b], [a]).rowList[0])
            let opposite: [PriceComparison.Verdict: PriceComparison.Verdict] = [.slower: .faster, .faster: .slower]
            #expect(opposite[there.verdict] ?? there.verdict == back.verdict, "seed \(seed)")
            #expect(there.lowest <= there.ratio && there.ratio <= there.highest, "seed \(seed)")
        }
    }

    @Test("refuses times that no run writes")
    func foreignTimes() throws {
        func canCompare(_ row: PriceRow) -> Bool {
            PriceComparison.canCompare(PriceResult(rowList: [row], unmeasured: [], interrupted: false, ok: true))
        }
        #expect(canCompare(try row(Self.quiet, calls: Self.quiet)))
        for time in [0, -1, 1e300, 1e-300] {
            let rows = [try row([time]), try row(Self.quiet, work: time), try row(Self.quiet, calls: [time])]
            #expect(!rows.contains(where: canCompare), "\(time)")
        }
        #expect(!canCompare(try row(Self.quiet, waits: 1e300)))
        let twice = [try row(Self.quiet), try row(Self.quiet)]
        #expect(!PriceComparison.canCompare(PriceResult(rowList: twice, unmeasured: [], interrupted: false, ok: true)))
    }
}
