import Board
import Memslots
import PropertySupport
import Testing

@Suite("An address map")
struct AddressMapTests {
    private static func range(_ first: UInt64, _ last: UInt64) throws -> GuestRange {
        try #require(GuestRange(first: GuestAddress(first), last: GuestAddress(last)))
    }

    @Test("has the places that guests/README.md promises")
    func standard() throws {
        let map = try AddressMap(memory: 5 << 30, addressBits: 48)
        #expect(map.ram.ranges == [try Self.range(0, 0xbfff_ffff), try Self.range(0x1_0000_0000, 0x1_7fff_ffff)])
        #expect(map.ecam == (try Self.range(0xc000_0000, 0xcfff_ffff)))
        #expect(map.apertures.low == (try Self.range(0xd000_0000, 0xfebf_ffff)))
        #expect(map.apertures.high == (try Self.range(0x1_8000_0000, 0x1001_7fff_ffff)))
        #expect(map.apertures.ports == 0xc000...0xffff)
        #expect(map.unaddressable?.first == GuestAddress(1 << 48))
        #expect(try AddressMap(memory: 4096, addressBits: 40).apertures.high?.last == GuestAddress((1 << 40) - 1))
    }

    @Test("gives the addresses of buses that are not there to the low aperture")
    func fewBuses() throws {
        let map = try AddressMap(memory: 4096, addressBits: 48, choices: AddressMap.Choices(buses: 1))
        #expect(map.ecam == (try Self.range(0xc000_0000, 0xc00f_ffff)))
        #expect(map.apertures.low == (try Self.range(0xc010_0000, 0xfebf_ffff)))
        try map.checkBuses([0])
        #expect(throws: AddressMapError.noSuchBus(bus: 1, buses: 1)) { try map.checkBuses([1]) }
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let low: ClosedRange<UInt64>?
        let high: ClosedRange<UInt64>?
        var memory: UInt64 = 5 << 30
        var bits = 48
        /// What the error has to name.
        let words: [String]

        var testDescription: String { "\(words)" }
    }

    static let bad = [
        Bad(
            low: 0xb000_0000...0xbfff_ffff, high: nil,
            words: ["low aperture at 0xb0000000-0xbfffffff", "RAM at 0x0-0xbfffffff"]),
        Bad(low: 0xcfff_f000...0xdfff_ffff, high: nil, words: ["low aperture", "ECAM) at 0xc0000000-0xcfffffff"]),
        Bad(low: 0xe000_0000...0xfec0_0fff, high: nil, words: ["low aperture", "interrupt controllers at 0xfec00000"]),
        Bad(low: 0xe000_0000...0x1_0000_0fff, high: nil, memory: 4096, words: ["low aperture", "4 GiB"]),
        Bad(low: 0xe000_0800...0xefff_ffff, high: nil, words: ["low aperture at 0xe0000800", "page boundaries"]),
        Bad(low: 0xe000_0000...0xefff_fffe, high: nil, words: ["low aperture", "page boundaries"]),
        Bad(low: nil, high: 0x1_0000_0000...0x2_ffff_ffff, words: ["high aperture", "RAM at 0x100000000-0x17fffffff"]),
        Bad(
            low: nil, high: 0x80_0000_0000...0xff_ffff_ffff, bits: 39,
            words: ["high aperture", "39 bits", "0x7fffffffff"]),
        Bad(low: nil, high: 0xd000_0000...0xdfff_ffff, words: ["high aperture", "low aperture at 0xd0000000"]),
        Bad(low: nil, high: 0x20_0000_0001...0x2f_ffff_ffff, words: ["high aperture", "page boundaries"]),
    ]

    @Test("refuses choices that cannot be and names both sides", arguments: bad)
    func refusals(_ bad: Bad) throws {
        let choices = AddressMap.Choices(
            lowAperture: try bad.low.map { try Self.range($0.lowerBound, $0.upperBound) },
            highAperture: try bad.high.map { try Self.range($0.lowerBound, $0.upperBound) })
        let error = #expect(throws: AddressMapError.self) {
            _ = try AddressMap(memory: bad.memory, addressBits: bad.bits, choices: choices)
        }
        let text = error.map { "\($0)" } ?? ""
        for words in bad.words { #expect(text.contains(words), "\(text)") }
    }

    @Test("refuses numbers of buses outside 1 to 256", arguments: [0, -1, 257])
    func buses(_ count: Int) {
        #expect(throws: AddressMapError.buses(count)) {
            _ = try AddressMap(memory: 4096, addressBits: 48, choices: AddressMap.Choices(buses: count))
        }
    }

    @Test("never has two parts in one place, whatever is chosen", arguments: propertySeeds)
    func disjoint(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var made = 0
        for step in 0..<2000 {
            func page(_ bits: UInt64) -> UInt64 {
                UInt64.random(in: 0..<1 << (bits - 12), using: &random) << 12
            }
            func aperture(_ bits: UInt64) -> GuestRange? {
                Bool.random(using: &random)
                    ? nil : GuestRange(first: GuestAddress(page(bits)), size: max(4096, page(bits - 2)))
            }
            let choices = AddressMap.Choices(
                lowAperture: aperture(32), highAperture: aperture(41), buses: .random(in: 1...256, using: &random))
            guard let map = try? AddressMap(memory: page(34) + 4096, addressBits: 40, choices: choices) else {
                continue
            }
            made += 1
            let parts =
                map.ram.ranges + [map.ecam, map.apertures.low, AddressMap.interruptControllers]
                + (map.apertures.high.map { [$0] } ?? [])
            for (index, part) in parts.enumerated() {
                #expect(
                    !parts[..<index].contains { $0.overlaps(part) }, "seed \(seed), step \(step): \(choices)")
            }
        }
        #expect(made > 100, "seed \(seed)")
    }
}
