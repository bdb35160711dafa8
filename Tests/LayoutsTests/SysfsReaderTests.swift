import LayoutFixtures
import PCI
import Testing

@testable import Layouts

@Suite("Reading hex dumps and sysfs")
struct SysfsReaderTests {
    /// By hand: BAR 0 of 1 MiB, BAR 2 of 64 KiB with two pages for MSI-X in it, a ROM of 512 KiB.
    @Test("config and resource tell all of a function")
    func network() throws {
        let (layout, warnings) = try read([("0000:03:00.0", ConfigBytes.network.bytes, ConfigBytes.networkResource)])
        #expect(warnings.map(\.reason.text) == [Self.hidden])
        try check(layout)
    }

    @Test("a hex dump with the sizes from options tells the same, apart from ports")
    func hexDump() throws {
        let text = "03:00.0 Ethernet controller: Example\n" + ConfigBytes.network.text + "\n"
        let dump = TextDumpReader.read(Array(text.utf8))
        let error = #expect(throws: LayoutError.self) { try Layout.read(dump, name: "hex") }
        let words = error.map { "\($0)" } ?? ""
        for part in ["BAR 0", "03:00.0/0)", "BAR 2 (at most 32M", "03:00.0/rom)"] {
            #expect(words.contains(part), "\(words)")
        }
        var selection = DumpSelection()
        for (place, size) in [("0", 1 << 20), ("2", 1 << 16), ("rom", 1 << 19)] as [(String, UInt64)] {
            selection.sizes[try #require(DumpSelection.Place(text: "03:00.0/\(place)"))] = size
        }
        let (layout, warnings) = try Layout.read(dump, name: "hex", selection: selection)
        let virtual = "no addresses are kept for its virtual functions: the dump does not tell their BARs"
        let texts = warnings.map(\.reason.text)
        #expect(texts.filter { !$0.contains("how many ports") } == [virtual, Self.hidden] && texts.count == 3)
        #expect(layout.functions[0].description.bars[3]?.size == 256)
        try check(layout)
    }

    private static let hidden = "guests do not find capabilities that promise what is not there: SR-IOV of 03:00.0"

    private func check(_ layout: Layout) throws {
        let function = try #require(layout.functions.first)
        #expect("\(function.address)" == "03:00.0")
        let description = function.description
        #expect(description.vendorID == 0x1af4 && description.deviceID == 0x1041 && description.classCode == 0x020000)
        #expect(description.bars[0] == BARDescription(kind: .memory64, size: 1 << 20, isPrefetchable: true))
        #expect(description.bars[2] == BARDescription(kind: .memory32, size: 1 << 16))
        #expect(description.romSize == 1 << 19 && description.msiVectors == 8 && description.msix?.vectors == 10)
        let plan = try Plan(layout)
        #expect(plan.mapped == 4 && plan.trapped == 1)
        #expect(plan.functions[0].splitBARs == [2])
    }

    @Test("virtual functions are there on request, as large as their share")
    func virtualFunctions() throws {
        var selection = DumpSelection()
        selection.virtualFunctions = 100
        let (layout, warnings) = try read(
            [("0000:03:00.0", ConfigBytes.network.bytes, ConfigBytes.networkResource)], selection)
        // 0x80 behind 03:00.0, one behind the other; 0xe0000 bytes for seven of them.
        #expect(layout.functions.map { "\($0.source)" } == ["03:00.0"] + (0..<7).map { "03:10.\($0)" })
        #expect(layout.functions[1].description.bars[0]?.size == 0x20000)
        #expect(layout.functions[7].description.deviceID == 0x1889)
        #expect(warnings.count == 2 && warnings[0].reason.text.contains("without MSI-X"))
        #expect(warnings[1].reason.text == Self.hidden)
    }

    @Test("virtual functions of lspci need their size from elsewhere")
    func virtualFunctionsOfText() throws {
        let dump = TextDumpReader.read(Array(LspciText.network("21:00.0").utf8))
        var selection = DumpSelection()
        selection.virtualFunctions = 3
        let (none, warnings) = try Layout.read(dump, name: "x", selection: selection)
        #expect(none.functions.count == 1)
        #expect(
            warnings.first?.reason.text.contains("21:00.0/vf0") == true
                && warnings.first?.reason.unsized.map(\.description) == ["21:00.0/vf0"])
        selection.sizes[try #require(DumpSelection.Place(text: "21:00.0/vf0"))] = 1 << 20
        let (layout, _) = try Layout.read(dump, name: "x", selection: selection)
        #expect(layout.functions.map { "\($0.source)" } == ["21:00.0", "21:00.2", "21:00.3", "21:00.4"])
    }

    @Test("virtual functions of two functions do not share an address")
    func virtualFunctionsThatMeet() throws {
        var selection = DumpSelection()
        selection.virtualFunctions = 3
        // The virtual functions begin behind 0x80 functions and follow each other, here and there.
        let (layout, warnings) = try read(
            ["0000:03:00.0", "0000:03:00.1"].map { ($0, ConfigBytes.network.bytes, ConfigBytes.networkResource) },
            selection)
        #expect(layout.functions.map { "\($0.source)" } == ["03:00.0", "03:00.1"] + (0..<4).map { "03:10.\($0)" })
        #expect(warnings.filter(\.isSkipped).compactMap { $0.function.map { "\($0)" } } == ["03:10.1", "03:10.2"])
    }

    @Test("bridges are left out; a function that lacks a file or has another one in its place is skipped")
    func broken() throws {
        let bridge = ConfigBytes(classCode: 0x060400, headerType: 1).bytes
        let (layout, warnings) = try read([
            ("0000:00:01.0", bridge, ConfigBytes.networkResource), ("0000:00:02.0", nil, nil),
            ("0000:00:03.0", ConfigBytes.network.bytes, "what?\n"), ("0000:00:04.0", ConfigBytes.network.bytes, nil),
            ("0000:00:05.0", ConfigBytes.network.bytes, "0x2000 0x1000 0x200\n"), ("uevent", nil, nil),
            ("0000:00:06.0", ConfigBytes.network.bytes, ConfigBytes.networkResource),
            ("0000:00:07.0", ConfigBytes.network.bytes, "0x0 0xffffffffffffffff 0x200\n"),
            ("0000:00:08.0", Array(ConfigBytes.network.bytes[..<64]), ConfigBytes.networkResource),
        ])
        #expect(layout.bridges == 1)
        #expect(layout.functions.map { "\($0.source)" } == ["00:06.0", "00:08.0"])
        #expect(
            warnings.filter(\.isSkipped).map { $0.function.map { "\($0)" } } == [
                "00:02.0", "00:03.0", "00:04.0", "00:05.0", "00:07.0",
            ])
        #expect(warnings.contains { $0.reason.text.contains("uevent") })
        #expect(warnings.last?.reason.text.contains("SR-IOV of 00:06.0") == true)
        #expect(warnings.contains { $0.reason.text.contains("hidden") })
    }

    @Test("a hex dump with a gap, or cut off, is skipped")
    func brokenHex() throws {
        let lines = ConfigBytes.network.text.split(separator: "\n").map { "\($0)\n" }
        for kept in [lines[..<10] + lines[11...], lines[..<9], lines[..<3] + ["30: 00 0\n"]] {
            let text = "03:00.0 Ethernet controller: Example\n" + kept.joined() + "\n"
            let error = #expect(throws: LayoutError.self) {
                try Layout.read(TextDumpReader.read(Array(text.utf8)), name: "hex")
            }
            #expect(error.map { "\($0)".contains("configuration space") } == true)
        }
    }

    private func read(
        _ entries: [(String, [UInt8]?, String?)], _ selection: DumpSelection = DumpSelection()
    ) throws -> (layout: Layout, warnings: [DumpWarning]) {
        var reader = SysfsReader()
        for (name, config, resource) in entries {
            var files: [String: [UInt8]] = [:]
            files["config"] = config
            files["resource"] = resource.map { Array($0.utf8) }
            reader.add(directory: name, files: files)
        }
        return try Layout.read(reader.result, name: "sysfs", selection: selection)
    }
}
