import LayoutFixtures
import Memslots
import PCI
import PropertySupport
import Testing

@testable import Layouts

@Suite("lspci output that somebody has damaged")
struct LspciFuzzTests {
    static let original =
        LspciText.workstation() + LspciText.oddities + "1a:00.0 Ethernet controller: Hex\n" + ConfigBytes.network.text
        + "\n"

    /// Words that mean something to the reader, so that damage is worse than noise.
    private static let words = [
        "\tRegion 0: Memory at ", "[size=", "[size=16M]", "00:1f.0 x", "\n\n", "\r\n",
        "Capabilities: [9c] MSI-X: Enable+ Count=64",
        "PBA: BAR=0 offset=ffffffffffffffff", "Vector table: BAR=5 offset=0", "9223372036854775808", "<unassigned>",
        "10: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n", "Total VFs: 65535",
        "VF offset: 65535, stride: 65535, Device ID: ffff",
        "\u{fffd}", "Capabilities: ", "[virtual]", "I/O ports at ", "Expansion ROM at ",
    ]

    @Test("nothing traps, every sum adds up, and what is not counted is told", arguments: propertySeeds)
    func mutations(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for round in 0..<60 {
            var text = Array(Self.original.utf8)
            for _ in 0...Int.random(in: 0..<6, using: &random) {
                Self.damage(&text, using: &random)
            }
            let dump = TextDumpReader.read(text)
            #expect(Set(dump.functions.map(\.address)).count == dump.functions.count, "seed \(seed), round \(round)")
            var selection = DumpSelection()
            selection.virtualFunctions = [0, 3, 100_000].randomElement(using: &random) ?? 0
            guard let (layout, warnings) = try? Layout.read(dump, name: "fuzz", selection: selection) else { continue }
            let told = Set(warnings.filter(\.isSkipped).compactMap(\.function))
            for function in dump.functions where !function.isBridge {
                let isThere = layout.functions.contains { $0.source == function.address }
                #expect(isThere != told.contains(function.address) || isThere, "seed \(seed), round \(round)")
            }
            for function in layout.functions { try function.description.validate() }
            let plan = try Plan(layout)
            let pieces = layout.functions.flatMap { function in
                function.description.registers.flatMap { function.description.pieces(of: $0) }
            }
            #expect(plan.mapped == pieces.count { $0.kind == .mapped }, "seed \(seed), round \(round)")
            #expect(plan.separate.count == plan.mapped, "seed \(seed), round \(round)")
            #expect(
                plan.coalesced.planned.slots.reduce(0) { $0 + $1.mappings } == plan.mapped,
                "seed \(seed), round \(round)")
        }
    }

    @Test("a dump that is cut anywhere counts no function otherwise than the whole one", arguments: propertySeeds)
    func truncations(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        // Without the hex dump at the end: where a row ends, 64 bytes may be all that there are.
        let text = Array((LspciText.workstation() + LspciText.oddities).utf8)
        let whole = try Layout.read(TextDumpReader.read(text), name: "whole").layout
        for _ in 0..<300 {
            let cut = Int.random(in: 0..<text.count, using: &random)
            // Between two lines nobody can see that more were to come, unless the function says so.
            guard text[cut - min(cut, 1)] != UInt8(ascii: "\n") else { continue }
            guard let part = try? Layout.read(TextDumpReader.read(Array(text[..<cut])), name: "part") else { continue }
            for function in part.layout.functions {
                // Where capabilities are cut off, a warning says so.
                if part.warnings.contains(where: { $0.function == function.source }) { continue }
                let same = whole.functions.first { $0.source == function.source }
                #expect(same?.description == function.description, "seed \(seed), cut at \(cut)")
            }
        }
    }

    @Test("bytes without any sense are no dump", arguments: propertySeeds)
    func noise(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0..<2000, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            _ = TextDumpReader.read(bytes)
            var reader = SysfsReader()
            reader.add(directory: "0000:00:01.0", files: ["config": bytes, "resource": bytes.reversed()])
            _ = try? Layout.read(reader.result, name: "noise")
        }
    }

    private static func damage(_ text: inout [UInt8], using random: inout SplitMix64) {
        guard !text.isEmpty else { return }
        let place = Int.random(in: 0..<text.count, using: &random)
        let end = min(text.count, place + Int.random(in: 1..<80, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: text[place] = UInt8.random(in: .min ... .max, using: &random)
        case 1: text.removeSubrange(place..<end)
        case 2: text.insert(contentsOf: text[place..<end], at: Int.random(in: 0..<text.count, using: &random))
        case 3: text.insert(contentsOf: (words.randomElement(using: &random) ?? "").utf8, at: place)
        case 4: text.removeSubrange(place...)
        default: text.replaceSubrange(place..<end, with: (words.randomElement(using: &random) ?? "").utf8)
        }
    }
}
