import LayoutFixtures
import PCI
import Testing

@testable import Layouts

/// Dumps with marks of other tools, and dumps that are cut. What may have been a BAR is never passed over.
@Suite("Damaged dumps")
struct DumpDamageTests {
    /// 3 mapped pieces and 1 trapped one: BAR 0 with MSI-X in its pages 2 and 3, and a ROM.
    private static let card = LspciText.network("21:00.0")
    private static let shown = "21:00.0 3 1"

    @Test(
        "a region behind a mark is not passed over, and neither is a capability",
        arguments: ["+", "-", "--->", "=> ", "!! "])
    func marked(mark: String) throws {
        let lines = Self.card.split(separator: "\n").map(String.init)
        let other = "05:00.0 Ethernet controller: x\n\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]\n"
        func marking(_ word: String) -> String {
            lines.map { $0.contains(word) ? mark + $0 : $0 }.joined(separator: "\n") + "\n" + other
        }
        let (layout, warnings) = try read(marking("Region 0"))
        #expect(rows(layout).count == 1 && warnings.contains { $0.isSkipped }, "\(rows(layout))")
        let capability = try read(marking("MSI-X: "))
        #expect(capability.warnings.contains { $0.reason.text.contains("capability") }, "\(capability.warnings)")
    }

    @Test("a text that ends in front of what a capability always has says so; the fuller of two descriptions counts")
    func cutCapabilities() throws {
        let lines = Self.card.split(separator: "\n").map(String.init)
        let start = try #require(lines.firstIndex { $0.contains("Capabilities:") })
        let cut = lines[..<start] + ["\tCapabilities: [40] Power Management version 3"]
        let (_, warnings) = try read("\tx\n" + cut.joined(separator: "\n") + "\n")
        #expect(
            warnings.contains { $0.reason.text.contains("ends within") } == cut.contains { $0.contains("Control: ") })
        let both = lines[..<start].joined(separator: "\n") + "\n\n" + Self.card
        #expect(try rows(read(both).layout) == [Self.shown])
    }

    @Test("a switch between GPUs is an endpoint of class 0680 and no bridge")
    func otherBridge() throws {
        for header in ["Bridge [0680]: NVIDIA [10de:22a3]", "Bridge: NVIDIA Corporation GH100", "0680: 10de:22a3"] {
            let text = "c1:00.0 \(header)\n\tRegion 0: Memory at 22000000000 (64-bit, prefetchable) [size=32M]\n"
            #expect(try read(text).layout.functions.count == 1, "\(header)")
        }
        #expect(throws: LayoutError.self) {
            try read(
                "00:00.0 Host bridge [0600]: x [8086:1]\n\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]\n"
            )
        }
    }
}
