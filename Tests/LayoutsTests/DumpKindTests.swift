import LayoutFixtures
import PCI
import Testing

@testable import Layouts

/// Dumps in the state in which people post them. Each test has text of its own making.
@Suite("Dumps as people have them")
struct DumpKindTests {
    /// 3 mapped pieces and 1 trapped one: BAR 0 with MSI-X in its pages 2 and 3, and a ROM.
    private static let card = LspciText.network("21:00.0")
    private static let shown = "21:00.0 3 1"

    // MARK: What is not known

    @Test(
        "a function without register lines is skipped, and is not one without BARs",
        arguments: [
            "05:00.0 Ethernet controller [0200]: Example [1af4:1041] (rev 01)\n\tSubsystem: Example [1af4:1]\n\tKernel modules: x\n",
            "05:00.0 Ethernet controller: Example\n\tFlags: bus master, fast devsel, latency 0, IRQ 16\n\tCapabilities: <access denied>\n",
            "05:00.0 Ethernet controller: Example\n    ...\n    Capabilities: [40] Power Management version 3\n",
            "05:00.0 Ethernet controller: Example\n    Control: I/O-\n    [snip]\n    Capabilities: [40] Power Management version 3\n",
            "05:00.0 Ethernet controller: Example (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\tKernel driver in use: x\n",
            "05:00.0 0200: 1af4:1041 (rev 01)\n", "05:00.0 Ethernet controller: Example\n" + allOnes,
        ])
    func noRegisters(text: String) throws {
        let (layout, warnings) = try read(text + "\n" + Self.card)
        #expect(rows(layout) == [Self.shown])
        #expect(warnings.map(\.isSkipped) == [true] && warnings[0].function.map { "\($0)" } == "05:00.0")
        #expect(throws: LayoutError.self) { try read(text) }
    }

    @Test(
        "where lines are left out matters: before the first region and behind the last one none is lost",
        arguments: [(1, true), (2, true), (3, false), (4, true), (5, true)])
    func elision(place: Int, isCounted: Bool) throws {
        var lines = [
            "05:00.0 Ethernet controller: x", "\tSubsystem: y",
            "\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]", "\tExpansion ROM at f1000000 [size=64K]",
            "\tCapabilities: [40] Power Management version 3", "\tKernel driver in use: x",
        ]
        lines.insert("\t[...]", at: place)
        let (layout, warnings) = try read(lines.joined(separator: "\n") + "\n\n" + Self.card)
        #expect(rows(layout) == (isCounted ? ["05:00.0 2 0"] : []) + [Self.shown])
        #expect(warnings.contains { $0.isSkipped } == !isCounted)
    }

    @Test("a function that shows its registers may really have no BARs")
    func noBARs() throws {
        let (layout, warnings) = try read("05:00.0 SMBus: Example\n\tControl: I/O-\n\tStatus: Cap- 66MHz-\n\n")
        #expect(rows(layout) == ["05:00.0 0 0"] && warnings.isEmpty)
    }

    @Test("what answers with all ones is counted by its class and regions, without capabilities")
    func asleep() throws {
        let text = """
            02:00.0 PCI bridge: Example Port (rev ff)
            \t!!! Unknown header type 7f
            \tMemory behind bridge: f8000000-f90fffff [size=17M]
            \(Self.allOnes)
            03:00.0 VGA compatible controller: Example (rev ff)
            \t!!! Unknown header type 7f
            \tRegion 0: Memory at c00000000 (64-bit, prefetchable) [size=8G]
            \tExpansion ROM at 81400000 [virtual] [disabled] [size=128K]
            \(Self.allOnes)
            """
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == ["03:00.0 2 0"] && layout.bridges == 1)
        #expect(warnings.count == 1 && !warnings[0].isSkipped && warnings[0].reason.text.contains("all ones"))
    }

    @Test("a function whose revision is ff need not sleep")
    func revision() throws {
        let (layout, warnings) = try read(Self.card.replacing("(rev 02)", with: "(rev ff)"))
        #expect(rows(layout) == [Self.shown] && warnings.isEmpty)
    }

    private static let allOnes = (0..<16).map {
        String($0, radix: 16) + "0: " + [String](repeating: "ff", count: 16).joined(separator: " ") + "\n"
    }.joined()

    @Test("in sysfs, the file `resource` tells of a function that sleeps, and the file `class` that one is a bridge")
    func asleepInSysfs() throws {
        var reader = SysfsReader()
        let ones = [UInt8](repeating: 0xff, count: 4096)
        let resource = Array(ConfigBytes.networkResource.utf8)
        func text(_ string: String) -> [UInt8] { Array(string.utf8) }
        reader.add(
            directory: "0000:03:00.0",
            files: [
                "config": ones, "resource": resource, "class": text("0x020000\n"), "vendor": text("0x8086\n"),
                "device": text("0x1572\n"),
            ])
        reader.add(
            directory: "0000:00:01.0", files: ["config": ones, "resource": resource, "class": text("0x060400\n")])
        reader.add(directory: "0000:04:00.0", files: ["config": ones])
        let (layout, warnings) = try Layout.read(reader.result, name: "x")
        #expect(rows(layout) == ["03:00.0 3 0"] && layout.bridges == 1)
        #expect(
            layout.functions[0].description.vendorID == 0x8086 && layout.functions[0].description.deviceID == 0x1572)
        #expect(warnings.map(\.isSkipped) == [false, true])
    }

    @Test("configuration space that an archive has padded hides its capabilities; so does text behind which NULs come")
    func padded() throws {
        var config = ConfigBytes.network.bytes
        config.replaceSubrange(64..., with: [UInt8](repeating: 0, count: config.count - 64))
        var reader = SysfsReader()
        let resource = Array(ConfigBytes.networkResource.utf8) + [UInt8](repeating: 0, count: 3000)
        reader.add(directory: "0000:03:00.0", files: ["config": config, "resource": resource])
        reader.add(
            directory: "0000:04:00.0",
            files: ["config": ConfigBytes.network.bytes, "resource": [UInt8](repeating: 0, count: 4096)])
        let (layout, warnings) = try Layout.read(reader.result, name: "x")
        #expect(rows(layout) == ["03:00.0 3 0"])
        #expect(warnings.map(\.isSkipped) == [false, true] && warnings[0].reason.text.contains("hidden"))
    }

    @Test("a virtual function, whose ids read all ones, does not sleep")
    func virtualFunction() throws {
        var config = ConfigBytes()
        config.set(0, 0xffff_ffff)
        config.set(4, 0)
        let text =
            "05:00.2 Ethernet controller: Example [1af4:1041]\n\tControl: I/O-\n\tStatus: Cap-\n"
            + "\tRegion 0: Memory at f0000000 (64-bit, prefetchable) [virtual] [size=16K]\n" + config.text
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == ["05:00.2 1 0"] && warnings.isEmpty)
        #expect(layout.functions[0].description.deviceID == 0x1041)
    }

    // MARK: What is around a dump

    @Test("foreign lines end nothing, and a warning names the function that goes on behind them", arguments: 1..<13)
    func foreign(place: Int) throws {
        var lines = Self.card.split(separator: "\n", omittingEmptySubsequences: false)
        lines.insert("pcilib: sysfs_read_vpd: read failed: Input/output error", at: place)
        let (layout, warnings) = try read(lines.joined(separator: "\n"))
        #expect(rows(layout) == [Self.shown])
        #expect(warnings.map { $0.function.map { "\($0)" } } == ["21:00.0"] && warnings[0].reason.line == place + 1)
    }

    @Test("prompts between dumps are nothing to tell of; a list before the details does not count")
    func twoDumps() throws {
        let list = "21:00.0 Ethernet controller: Example Ethernet\n22:00.0 USB controller: Example\n"
        for text in [
            "$ lspci\n\(list)\n$ sudo lspci -vvv\n" + Self.card, "# lspci -vvv\n\(Self.card)\n# lspci\n\(list)",
            "I have this card, see below.\n\n" + list + "> hello\n" + Self.card + "\nThanks!\n",
        ] {
            let (layout, warnings) = try read(text)
            #expect(rows(layout) == [Self.shown])
            #expect(warnings.map(\.isSkipped) == [true] && "\(warnings[0])".contains("22:00.0"))
        }
    }

    @Test("a list with numbers completes what another form tells of the same function")
    func completed() throws {
        let text =
            "01:00.0 VGA compatible controller [0300]: Example Adapter [10de:2484] (rev a1)\n\tKernel modules: x\n\n"
        for whole in [text + LspciText.gpu("01:00.0"), LspciText.gpu("01:00.0") + text] {
            let function = try read(whole).layout.functions[0]
            #expect(
                function.description.vendorID == 0x10de && function.description.deviceID == 0x2484
                    && function.hasIdentity)
        }
    }

    @Test("a function whose header cannot be read costs itself, not the one before")
    func brokenHeader() throws {
        let text = Self.card + LspciText.gpu("zz:00.0") + LspciText.gpu("03:00.0")
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == ["03:00.0 4 0", Self.shown])
        #expect(warnings.contains { $0.reason.text.contains("without its address") })
        // Where a line has gone without a trace nobody knows whether others have.
        let (less, told) = try read(
            Self.card + LspciText.gpu("").split(separator: "\n", maxSplits: 1)[1] + LspciText.gpu("03:00.0"))
        #expect(rows(less) == ["03:00.0 4 0"] && told.contains { $0.isSkipped })
    }

    @Test("rows of a hex dump that are missing cost nothing where the text tells enough")
    func hexBesideText() throws {
        let hex = ConfigBytes.network.text.split(separator: "\n").prefix(9).map { "\($0)\n" }.joined()
        let (layout, warnings) = try read(Self.card.replacing("\n\n\n", with: "\n") + hex)
        #expect(rows(layout) == [Self.shown] && warnings.isEmpty, "\(warnings)")
    }

    // MARK: Details

    @Test(
        "text that is no region costs nothing",
        arguments: [
            "\t\tRange1: 0000000000000000-000000000fffffff [size=0x10000000]", "\t\tRegion 7: of something [size=what]",
            "\t\tMemory at the end [size=4K]", "\t\tBAR=9 and more",
        ])
    func strayText(line: String) throws {
        let text = Self.card.replacing("\n\n\n", with: "\n    Capabilities: [400 v1] New: Thing\n\(line)\n\n")
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == [Self.shown] && warnings.isEmpty, "\(warnings)")
        let (header, told) = try read("05:00.0 SMBus: x\n\tControl: I/O-\n\tWindow: new [size=4K]\n\tStatus: Cap-\n")
        #expect(rows(header) == ["05:00.0 0 0"] && told.map(\.isSkipped) == [false])
    }

    @Test(
        "ports at fixed places are no BARs",
        arguments: [
            (
                "[virtual] Memory at 000001f0 (32-bit, non-prefetchable) [disabled] [size=8]",
                "Memory at 000003f4 (type 3, non-prefetchable) [size=1]"
            ),
            (
                "[virtual] Memory at 000001f0 (32-bit, non-prefetchable)",
                "[virtual] Memory at 000003f0 (type 3, non-prefetchable)"
            ),
            ("I/O ports at 01f0 [virtual] [size=8]", "I/O ports at 03f4 [size=1]"),
        ])
    func fixedPorts(first: String, second: String) throws {
        let text =
            "00:01.1 IDE interface: x\n\tControl: I/O+\n\tStatus: Cap-\n\tRegion 0: \(first)\n\tRegion 1: \(second)\n"
            + "\tRegion 4: I/O ports at c0e0 [size=16]\n"
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == ["00:01.1 0 0"] && warnings.isEmpty, "\(warnings)")
        #expect(
            layout.functions[0].description.bars[4]?.size == 16 && layout.functions[0].description.classCode == 0x010100
        )
    }

    @Test(
        "a ROM of unknown or impossible size is not counted; an option says that there is none",
        arguments: ["", " [size=32M]", " [size=3K]"])
    func rom(size: String) throws {
        let text =
            "05:00.0 SMBus: x\n\tControl: I/O-\n\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]\n"
            + "\tExpansion ROM at <unassigned> [disabled]\(size)\n"
        let (layout, warnings) = try read(text)
        #expect(rows(layout) == ["05:00.0 1 0"] && warnings.map(\.isSkipped) == [false])
        var selection = DumpSelection()
        selection.absent = [try #require(DumpSelection.Place(text: "05:00.0/rom"))]
        let without = try read(text, selection)
        #expect(without.warnings.isEmpty)
        selection.absent = []
        selection.sizes[try #require(DumpSelection.Place(text: "05:00.0/rom"))] = 1 << 16
        let sized = try read(text, selection).layout
        #expect(rows(sized) == ["05:00.0 2 0"])
    }

    @Test(
        "a size that cannot be, or of what is not there, is an error",
        arguments: [("0", 3 << 20), ("0", 8), ("2", 4096), ("vf0", 4096), ("rom", 1 << 25)])
    func badSizes(place: String, size: UInt64) throws {
        var selection = DumpSelection()
        selection.sizes[try #require(DumpSelection.Place(text: "01:00.0/\(place)"))] = size
        #expect(throws: LayoutError.self) { try read(LspciText.gpu("01:00.0"), selection) }
    }

    // MARK: Domains

    @Test("domains stay apart, and an address of another domain is named in the error")
    func domains() throws {
        let names = ["01:00.0", "0001:01:00.0", "10000:01:00.0", "0001:01:00.1"]
        let (layout, warnings) = try read(names.map { LspciText.network($0) }.joined())
        #expect(Set(layout.functions.map { "\($0.source)" }) == Set(names) && warnings.isEmpty)
        #expect(Set(layout.functions.map(\.address)).count == 4)
        var selection = DumpSelection()
        selection.only = [try #require(DomainAddress(text: "0002:01:00.0"))]
        let error = #expect(throws: LayoutError.self) { try read(LspciText.network("10000:01:00.0"), selection) }
        #expect(error.map { "\($0)".contains("there is 10000:01:00.0") } == true)
    }
}
