import Devices
import PCISupport
import PropertySupport
import Testing

@testable import PCI

@Suite("Configuration space read back from bytes")
struct ConfigDumpTests {
    @Test("what ConfigSpace encodes is what ConfigDump decodes")
    func roundTrip() throws {
        let description = FunctionDescription(
            vendorID: 0x8086, deviceID: 0x1572, classCode: 0x020001, revision: 7,
            bars: [
                0: BARDescription(kind: .memory64, size: 1 << 20, isPrefetchable: true),
                3: BARDescription(kind: .memory32, size: 1 << 14), 4: BARDescription(kind: .io, size: 32),
            ],
            romSize: 1 << 16, msiVectors: 8,
            msix: MSIXDescription(
                vectors: 129, table: BARLocation(bar: 3, offset: 0), pendingBits: BARLocation(bar: 3, offset: 0x1000)))
        let address = try #require(FunctionAddress(bus: 0, device: 1, function: 0))
        var function = try PCIFunction(description, at: address)
        function.setBase(of: .bar(0), to: 0x12_3450_0000)
        function.setBase(of: .bar(3), to: 0xfe00_4000)
        function.setBase(of: .bar(4), to: 0xc020)
        function.setBase(of: .rom, to: 0xfd01_0000)
        let dump = ConfigDump(bytes(of: function))
        #expect(dump.vendorID == 0x8086 && dump.deviceID == 0x1572 && dump.classCode == 0x020001)
        #expect(dump[register: ConfigOffset.classAndRevision].map { $0 & 0xff } == 7)
        #expect(dump[register: ConfigOffset.headerType].map { $0 >> 16 & 0x7f } == 0)
        #expect(dump.isBridge == false && !dump.lacksCapabilities)
        #expect(dump.msix == description.msix && dump.msiVectors == 8)
        #expect(dump.romBase == 0xfd01_0000)
        #expect(
            dump.bars == [
                ConfigDump.Region(
                    place: .bar(0), kind: .memory64, isPrefetchable: true, base: 0x12_3450_0000),
                ConfigDump.Region(place: .bar(3), kind: .memory32, isPrefetchable: false, base: 0xfe00_4000),
                ConfigDump.Region(place: .bar(4), kind: .io, isPrefetchable: false, base: 0xc020),
            ])
    }

    @Test("bridges are known by their header or by their class")
    func bridges() {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes[0x0b] = 2
        #expect(ConfigDump(bytes).isBridge == false)
        bytes[0x0e] = 0x81
        #expect(ConfigDump(bytes).isBridge == true)
        bytes[0x0e] = 0x80
        bytes[0x0b] = 6
        #expect(ConfigDump(bytes).isBridge == true)
        #expect(ConfigDump([1, 2, 3]).isBridge == nil)
    }

    @Test("a list of capabilities that ends behind the bytes is missing, one that goes in circles ends")
    func lists() {
        var bytes = [UInt8](repeating: 0, count: 256)
        #expect(!ConfigDump(bytes).lacksCapabilities)
        bytes[6] = 0x10
        bytes[0x34] = 0x40
        bytes[0x40] = 0x01
        bytes[0x41] = 0x40
        #expect(!ConfigDump(bytes).lacksCapabilities && ConfigDump(bytes).msix == nil)
        #expect(ConfigDump(Array(bytes[..<64])).lacksCapabilities)
    }

    /// Entries as PCIe 7.8.5 has them: of a doubleword and two for base and reach, each with an upper half if bit 1 is set.
    @Test("Enhanced Allocation gives places and sizes")
    func enhancedAllocation() {
        var bytes = [UInt8](repeating: 0, count: 256)
        bytes[6] = 0x10
        bytes[0x34] = 0x40
        let words: [UInt32] = [
            0x0004_0014, 0x8000_0004, 0x0000_0002, 0x3fff_fffe, 0x8430, 0,
            0x8001_0082, 0xfc00_0000, 0x0000_fffc,
            0x0000_0012, 0xfd00_0000, 0x0000_fffc,
            0x8000_0494, 0xa000_0002, 0x001f_fffe, 0x8430, 0,
        ]
        for (index, word) in words.enumerated() {
            for byte in 0..<4 { bytes[0x40 + 4 * index + byte] = UInt8(truncatingIfNeeded: word >> UInt32(8 * byte)) }
        }
        let regions = ConfigDump(bytes).enhancedRegions
        #expect(regions.map(\.size) == [1 << 30, 1 << 16, 1 << 21])
        #expect(regions.map(\.place) == [.bar(0), .rom, .virtual(0)])
        #expect(regions.map(\.base) == [0x8430_0000_0000, 0xfc00_0000, 0x8430_a000_0000])
    }

    @Test("no bytes make it trap", arguments: propertySeeds)
    func anything(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            let count = [0, 3, 16, 64, 256, 4096, 5000].randomElement(using: &random) ?? 0
            var bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            if count > 0x34, Bool.random(using: &random) {
                bytes[6] |= 0x10
                bytes[0x34] = 0x40
                if count > 0x40 { bytes[0x40] = [0x05, 0x11, 0x14].randomElement(using: &random) ?? 0 }
            }
            let dump = ConfigDump(bytes)
            #expect(dump.bars.count <= 6 && dump.enhancedRegions.count <= 63, "seed \(seed)")
            #expect(dump.msix.map { (1...2048).contains($0.vectors) } != false, "seed \(seed)")
            _ = (dump.lacksCapabilities, dump.virtualFunctions, dump.msiVectors, dump.romBase, dump.isBridge)
        }
    }

    private func bytes(of function: PCIFunction) -> [UInt8] {
        (0..<256).map { UInt8(truncatingIfNeeded: function.peek(at: $0, width: .byte)) }
    }
}
