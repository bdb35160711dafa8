import Devices
import Memslots
import PCI
import PCISupport
import Testing

/// Where one function's BARs lie.
@Suite struct DecodedRegionsTests {
    @Test func regionsLieWhereTheBARsSay() throws {
        let function = try PCIFunction.make(
            .rich, at: .at(4), command: 2,
            bases: [.bar(0): 0x10_0000_0000, .bar(3): 0xe000_0100, .bar(4): 0xe000_2000, .bar(5): 0xe000_4000])
        let regions = function.decodedRegions
        #expect(
            regions.map { "\($0)" } == [
                "00:04.0 BAR 0 at 0x1000000000-0x10000fffff, mapped",
                "00:04.0 BAR 3 at 0xe0000100-0xe00001ff, trapped",
                "00:04.0 BAR 4 at 0xe0002000-0xe0003fff, mapped",
                "00:04.0 BAR 5 at 0xe0004000-0xe0004fff, mapped",
                "00:04.0 BAR 5 at 0xe0005000-0xe0005fff, trapped",
                "00:04.0 BAR 5 at 0xe0006000-0xe0007fff, mapped",
            ])
        #expect(regions.map(\.piece) == [0, 0, 0, 0, 1, 2])
        #expect(regions.map(\.offset) == [0, 0, 0, 0, 0x1000, 0x2000])
        #expect(regions.allSatisfy { $0.access == .readWrite })
    }

    @Test func romIsReadOnlyAndTakesBothEnableBits() throws {
        var function = try PCIFunction.make(.rich, at: .at(4), command: 2, bases: [.rom: 0xfeb0_0000])
        func rom() -> DecodedRegion? { function.decodedRegions.first { $0.owner.register == .rom } }
        #expect(rom() == nil)
        function.writeSettled(0xfeb0_0001, at: 0x30, width: .doubleword)
        #expect(try rom()?.range == range(0xfeb0_0000, 0x1_0000))
        #expect(rom()?.access == .readOnly)
        function.writeSettled(0, at: 0x04, width: .word)
        #expect(rom() == nil)
    }

    @Test func nothingIsDecodedWhileMemoryDecodeIsOff() throws {
        #expect(try PCIFunction.make(.rich, at: .at(4), command: 5).decodedRegions.isEmpty)
    }

    @Test func addressZeroIsAnAddress() throws {
        #expect(try PCIFunction.make(.plain, at: .at(4), command: 2).decodedRegions.first?.range == range(0, 0x4000))
    }

    @Test func barBeyond52BitsIsNotDecoded() throws {
        let wide = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 0x4000) }
        var function = try PCIFunction.make(wide, at: .at(4), command: 2, bases: [.bar(0): .max])
        #expect(function.decodedRegions.isEmpty)
        function.setBase(of: .bar(0), to: 1 << 52)
        #expect(function.decodedRegions.isEmpty)
        function.setBase(of: .bar(0), to: 1 << 52 - 0x4000)
        #expect(function.decodedRegions.count == 1)
    }

    @Test func allOnesIsAnAddressAtTheTop() throws {
        let function = try PCIFunction.make(.plain, at: .at(4), command: 2, bases: [.bar(0): 0xffff_ffff])
        #expect(try function.decodedRegions.first?.range == range(0xffff_c000, 0x4000))
    }
}
