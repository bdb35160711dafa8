import PropertySupport
import Testing

@testable import PCI

@Suite("Descriptions of regions")
struct RegionInfoTests {
    static let whole = RegionInfo(region: .init(size: 0x4000, areas: [0..<0x4000]), offset: 1 << 40)
    static let sparse = RegionInfo(region: .init(size: 0x4000, areas: [0..<0x1000, 0x3000..<0x4000]), offset: 0x1000)
    static let trapped = RegionInfo(region: .init(size: 256, isWritable: false), offset: 0)

    @Test("are decoded as they were encoded", arguments: [whole, sparse, trapped])
    func roundTrip(info: RegionInfo) throws {
        let bytes = info.bytes(of: .bar3)
        #expect(RegionInfo.wholeSize(bytes) == UInt32(bytes.count))
        #expect(try RegionInfo(bytes, of: .bar3) == info)
    }

    @Test("a sparse capability behind another one is found")
    func secondCapability() throws {
        // The capability in front says that the MSI-X table may be mapped (id 3), and has no more than its header.
        var bytes = Self.sparse.bytes(of: .bar0)
        bytes.replaceSubrange(32..<32, with: [3, 0, 1, 0, 40, 0, 0, 0])
        #expect(try RegionInfo(bytes, of: .bar0) == Self.sparse)
    }

    @Test("a capability of another kind leaves the whole region mappable")
    func otherCapability() throws {
        var bytes = Self.sparse.bytes(of: .bar0)
        bytes[32] = 3
        #expect(try RegionInfo(bytes, of: .bar0).region.areas == [0..<0x4000])
    }

    @Test(
        "what makes no sense is refused",
        arguments: [
            (8, [1], DeviceInfoError.otherIndex(asked: 0, answered: 1)),
            (24, [UInt8](repeating: 0xff, count: 8), .endless(.bar0, size: 0x4000, offset: .max)),
            (12, [1], .capability(.bar0, at: 1)),
            (12, [0xff, 0xff], .capability(.bar0, at: 0xffff)),
            (40, [0xff, 0xff, 0xff, 0xff], .capability(.bar0, at: 32)),
            (40, [3], .capability(.bar0, at: 32)),
            (49, [0x41], .area(.bar0, 0x4100, 0x1000, size: 0x4000)),
            (49, [0x30], .area(.bar0, 0x3000, 0x1000, size: 0x4000)),
        ] as [(Int, [UInt8], DeviceInfoError)])
    func refusals(offset: Int, bytes: [UInt8], error: DeviceInfoError) {
        var whole = Self.sparse.bytes(of: .bar0)
        whole.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        #expect(throws: error) { try RegionInfo(whole, of: .bar0) }
    }

    @Test("a chain of capabilities that goes back has no end, and is refused")
    func loop() {
        var bytes = Self.sparse.bytes(of: .bar0)
        (bytes[32], bytes[36]) = (3, 32)
        #expect(throws: DeviceInfoError.capability(.bar0, at: 32)) { try RegionInfo(bytes, of: .bar0) }
    }

    @Test("bytes that are cut anywhere, or changed at random, never trap", arguments: propertySeeds)
    func randomBytes(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let bytes = Self.sparse.bytes(of: .bar0)
        for count in bytes.indices {
            #expect(throws: DeviceInfoError.self) { try RegionInfo(Array(bytes.prefix(count)), of: .bar0) }
        }
        for _ in 0..<5000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                changed[Int.random(in: changed.indices, using: &random)] =
                    [0, 1, 0x7f, 0x80, 0xff]
                    .randomElement(using: &random) ?? 0
            }
            guard let info = try? RegionInfo(changed, of: .bar0) else { continue }
            for area in info.region.areas { #expect(area.upperBound <= info.region.size, "seed \(seed)") }
        }
    }
}
