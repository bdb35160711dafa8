import LayoutFixtures
import PCI
import Testing

@testable import Layouts

@Suite("Reading lspci")
struct LspciReaderTests {
    @Test("a workstation has eight functions with the pieces that their regions make, and a bridge")
    func workstation() throws {
        let (layout, warnings) = try read(LspciText.workstation(gpuMemory: "64G"), .flat)
        #expect(warnings.isEmpty)
        #expect(layout.bridges == 1)
        let plan = try Plan(layout)
        let rows = plan.functions.map { "\($0.guestAddress) \($0.mapped) \($0.trapped)" }
        // GPUs: three BARs and a ROM. Cards: BAR 0 without its pages 2 and 3, and a ROM. Disks: a ROM, and 2 KiB trapped.
        #expect(
            rows == [
                "01:00.0 4 0", "21:00.0 3 1", "41:00.0 4 0", "71:00.0 1 1", "81:00.0 3 1", "b1:00.0 1 1", "c1:00.0 4 0",
                "e1:00.0 4 0",
            ])
        #expect(plan.separate.count == 24 && plan.mapped == 24 && plan.trapped == 4)
        #expect(plan.functions[1].splitBARs == [0] && plan.functions[1].subPageBARs.isEmpty)
        #expect(plan.functions[3].splitBARs.isEmpty && plan.functions[3].subPageBARs == [5])
        let gpu = layout.functions[0].description
        #expect(gpu.bars[0] == BARDescription(kind: .memory32, size: 16 << 20))
        #expect(gpu.bars[1] == BARDescription(kind: .memory64, size: 64 << 30, isPrefetchable: true))
        #expect(gpu.bars[3] == BARDescription(kind: .memory64, size: 32 << 20, isPrefetchable: true))
        #expect(gpu.bars[5] == BARDescription(kind: .io, size: 128))
        #expect(gpu.bars.count == 4 && gpu.romSize == 512 << 10 && gpu.msiVectors == 4 && gpu.msix == nil)
        let card = layout.functions[1].description
        #expect(card.vendorID == 0x1af4 && card.deviceID == 0x1041 && card.classCode == 0x020000)
        #expect(
            card.msix
                == MSIXDescription(
                    vectors: 64, table: BARLocation(bar: 0, offset: 0x2000),
                    pendingBits: BARLocation(bar: 0, offset: 0x3000)))
        #expect(card.pieces(of: .bar(0)).map(\.offsets) == [0..<0x2000, 0x2000..<0x4000, 0x4000..<32 << 20])
    }

    @Test("unassigned, ignored, virtual and enhanced regions count; domains that meet are kept apart")
    func oddities() throws {
        let (layout, warnings) = try read(LspciText.oddities, .flat)
        #expect(warnings.isEmpty)
        #expect(layout.functions.map { "\($0.source)" } == ["10001:e1:00.0", "10001:e1:01.3", "10000:e1:00.0"])
        // The lowest domain stays; the others share the first free device, one behind the other.
        #expect(layout.functions.map { "\($0.address)" } == ["00:00.0", "00:00.1", "e1:00.0"])
        let nvme = layout.functions[2].description
        #expect(nvme.bars[0] == BARDescription(kind: .memory64, size: 16 << 10))
        #expect(nvme.bars[2]?.size == 8192 && nvme.bars[3]?.kind == .io && nvme.romSize == 64 << 10)
        // What lies above 4 GiB has 64 bits, whatever its register says.
        #expect(nvme.bars[4]?.kind == .memory64)
    }

    @Test("carriage returns change nothing")
    func carriageReturns() throws {
        let text = LspciText.workstation()
        let (layout, warnings) = try read(
            text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"))
        #expect(warnings.isEmpty)
        #expect(layout == (try read(text)).layout)
    }

    @Test(
        "what cannot be counted is skipped, with its line and the reason",
        arguments: [
            ("\tRegion 1: Memory at f0000000 (32-bit, non-prefetchable) [size=12K]", "not a power of two", nil),
            (
                "\tRegion 1: Memory at f0000000 (32-bit, non-prefetchable) [size=9223372036854775808]",
                "is above the most",
                nil
            ),
            ("\tRegion 1: Memory at f0000000 (64-bit, prefetchable) [size=8388608T]", "is above the most", nil),
            ("\tRegion 1: Memory at f0000000 (64-bit, prefetchable) [size=16777216T]", "cannot be read", 3),
            ("\tRegion 1: Memory at f0000000 (64-bit, prefetchable) [size=0]", "cannot be read", 3),
            ("\tRegion 1: Memory at f0000000 (64-bit, prefetchable) [size=4Q]", "cannot be read", 3),
            ("\tRegion 1: Memory at f0000000 (64-bit, prefetchable)", "does not tell the size of BAR 1", nil),
            ("\tRegion 1: Memory at 10000000000000000 (64-bit, prefetchable) [size=4K]", "cannot be read", 3),
            ("\tRegion 299: Memory at f0000000 (64-bit, prefetchable) [size=4K]", "from 0 to 5", 3),
            ("\tRegion 0: Memory at f0000000 (64-bit, prefetchable) [size=4K]", "twice", 3),
            ("\tRegoin 1: Memory at f0000000 (64-bit, prefetchable) [size=4K]", "not what lspci prints", 3),
            ("\tMemory at f0000000 (64-bit, prefetchable) [size=4K]", "lspci -v leaves out", 3),
            ("\tExpansion ROM at f0000000 [disabled] [size=4K] and more", "cannot be read", 3),
            ("\tCapabilities: [b0] MSI-X: Enable+ Count=5 Masked-", "lacks the table or the PBA", nil),
            (
                "\tCapabilities: [b0] MSI-X: Enable+ Count=5 Masked-\n\t\tVector table: BAR=1 offset=0\n\t\tPBA: BAR=0 offset=0",
                "there is no BAR 1", nil
            ),
            (
                "\tCapabilities: [b0] MSI-X: Enable+ Count=5 Masked-\n\t\tVector table: BAR=0 offset=fff0\n\t\tPBA: BAR=0 offset=0",
                "end beyond the BAR", nil
            ),
            ("\tCapabilities: [b0] MSI-X: Enable+ Count=2049 Masked-", "no count", 3),
            ("\tCapabilities: [b0] MSI-X: Enable+ Count=5 Masked-\n\t\tPBA: BAR 0", "no place in a BAR", 4),
        ] as [(String, String, Int?)])
    func problems(line: String, words: String, number: Int?) throws {
        let text = "00:02.0 Ethernet: x\n\tRegion 0: Memory at 80000 (32-bit, prefetchable) [size=64K]\n\(line)\n\n"
        let (layout, warnings) = try read(text + LspciText.gpu("00:03.0"))
        #expect(layout.functions.map { "\($0.address)" } == ["00:03.0"])
        let warning = try #require(warnings.first)
        #expect(warnings.count == 1 && warning.isSkipped)
        #expect("\(warning.function.map { "\($0)" } ?? "")" == "00:02.0")
        #expect(warning.reason.text.contains(words), "\(warning)")
        #expect(warning.reason.line == number ?? 1)
    }

    @Test("three hundred regions are three hundred reasons to skip one function")
    func manyRegions() throws {
        let regions = (0..<300).map { "\tRegion \($0): Memory at f0000000 (32-bit, prefetchable) [size=4K]\n" }
        let (layout, warnings) = try read("00:02.0 x: y\n" + regions.joined() + LspciText.gpu("00:03.0"))
        #expect(layout.functions.count == 1)
        #expect(warnings.count == 1)
    }

    @Test("lines that belong to no function are told of; two functions that differ at one address, too")
    func duplicates() throws {
        let text =
            "nonsense\n\tRegion 0: x\n" + LspciText.gpu("00:03.0") + LspciText.network("00:03.0")
            + "zz:00.0 GPU\n\tRegion 0: x\n"
        let (layout, warnings) = try read(text)
        #expect(layout.functions.count == 1)
        // The other one has a region behind its capabilities and does not count.
        #expect(layout.functions[0].description.romSize == 512 << 10)
        #expect(warnings.map(\.reason.line) == [2, 37, 19])
    }

    @Test("a dump that ends within a function does not count it", arguments: [0.3, 0.5, 0.62])
    func truncated(share: Double) throws {
        let card = LspciText.network("21:00.0")
        let text = LspciText.gpu("01:00.0") + card.prefix(Int(Double(card.count) * share))
        let (layout, warnings) = try read(text)
        #expect(layout.functions.count == 1)
        #expect(warnings.last?.isSkipped == true)
    }

    @Test("capabilities that lspci may not read leave a warning")
    func accessDenied() throws {
        let text = """
            00:03.0 Ethernet controller: Example
            \tStatus: Cap+ 66MHz-
            \tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]
            \tCapabilities: <access denied>

            """
        let (layout, warnings) = try read(text)
        #expect(layout.functions.count == 1)
        #expect(warnings.map(\.isSkipped) == [false])
        #expect(warnings[0].reason.text.contains("root"))
        let (none, cut) = try read(
            text.replacing("\tCapabilities: <access denied>\n", with: "") + LspciText.gpu("00:04.0"))
        #expect(none.functions.count == 1)
        #expect(cut.map(\.isSkipped) == [true])
    }

    @Test("nothing to assign is an error, and says what there was")
    func nothing() throws {
        for (text, words) in [
            ("", "no function"), ("hello\n", "no function"), (LspciText.bridge("00:01.0"), "1 bridge"),
        ] {
            let error = #expect(throws: LayoutError.self) { _ = try read(text) }
            #expect(error.map { "\($0)".contains(words) } == true)
        }
    }

    @Test("plain lspci and lspci -v are no basis")
    func notVerbose() throws {
        let error = #expect(throws: LayoutError.self) { _ = try read("00:02.0 VGA compatible controller: Example\n") }
        #expect(error.map { "\($0)".contains("lspci -vvv") } == true)
    }
}
