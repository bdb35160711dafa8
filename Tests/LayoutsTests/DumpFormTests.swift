import LayoutFixtures
import PCI
import Testing

@testable import Layouts

@Suite("Forms of dumps")
struct DumpFormTests {
    private static let text = LspciText.workstation()

    private static func lines(_ change: (Substring) -> String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map(change).joined(separator: "\n")
    }

    /// What terminals, browsers, mail programs and forums make of a dump.
    private static let forms: [(name: String, text: String)] = [
        ("CRLF", lines { $0 + "\r" }), ("quoted", lines { "> " + $0 }), ("quoted twice", lines { ">> " + $0 }),
        ("indented", lines { "    " + $0 }), ("indented by a tab", lines { "\t" + $0 }),
        ("not indented", lines { String($0.drop { $0 == " " || $0 == "\t" }) }),
        ("escaped", text.replacing("<", with: "&lt;").replacing(">", with: "&gt;")),
        ("with a mark", "\u{feff}" + text),
        ("no-break spaces", text.replacing("    ", with: "\u{a0}\u{a0}\u{a0}\u{a0}")),
        ("more of them", text.replacing(" ", with: "\u{a0}")),
        ("coloured", lines { "\u{1b}[1;32m" + $0.prefix(9) + "\u{1b}[0m" + $0.dropFirst(9) }),
        ("fenced", "```\n" + text + "```\n"), ("behind a backtick", "`" + text.dropLast(2) + "`\n"),
        ("preformatted", "<pre>" + text + "</pre>"), ("of a forum", "[code]" + text + "[/code]\n"),
        ("quoted-printable", text.replacing("=", with: "=3D").replacing(" [size", with: "=\n [size")),
        ("with NULs", text + "\0\0\0\n"),
        ("with headers in bold type", lines { $0.first?.isHexDigit == true ? "**\($0)**" : String($0) }),
        ("with line breaks", lines { $0 + "<br />" }),
        (
            "wrapped by a mail program",
            lines { line in
                guard line.count > 72, let space = line.prefix(72).lastIndex(of: " ") else { return String(line) }
                return line[..<space] + "\n" + line[line.index(after: space)...]
            }
        ),
        ("all of it", "\u{feff}" + lines { "\u{1b}[0m> \u{a0}" + $0.replacing("<", with: "&lt;") + "\r" }),
    ]

    @Test("each form of a dump tells the same", arguments: forms.map(\.name))
    func same(name: String) throws {
        let form = try #require(Self.forms.first { $0.name == name })
        let whole = try read(Self.text).layout
        let (layout, warnings) = try read(form.text)
        #expect(layout.functions.map(\.description) == whole.functions.map(\.description))
        #expect(layout.bridges == whole.bridges)
        // What a mail program has cut off from lines that no plan needs is told of.
        #expect(warnings.isEmpty || name.hasPrefix("wrapped") && !warnings.contains { $0.isSkipped }, "\(warnings)")
    }

    @Test("a dump without the end of its last line is whole where that line is")
    func lastLine() throws {
        let card = LspciText.network("21:00.0")
        let end = try #require(card.ranges(of: "offset=00003000").first).upperBound
        for text in [
            String(card[..<end]), LspciText.gpu("21:00.0").trimmed,
            "    " + card.trimmed.replacing("\n", with: "\n    ") + "\n    ",
        ] {
            let (layout, warnings) = try read(text)
            #expect(layout.functions.count == 1 && warnings.allSatisfy { !$0.isSkipped })
        }
        #expect(throws: LayoutError.self) { try read(String(card[..<end].dropLast())) }
    }

    @Test("UTF-16 of either order is read")
    func utf16() {
        let whole = TextDumpReader.read(Array(Self.text.utf8)).functions
        for isBig in [false, true] {
            let bytes = ("\u{feff}" + Self.text).utf16.flatMap { unit in
                [
                    UInt8(truncatingIfNeeded: isBig ? unit >> 8 : unit),
                    UInt8(truncatingIfNeeded: isBig ? unit : unit >> 8),
                ]
            }
            #expect(TextDumpReader.read(bytes).functions == whole)
        }
    }

    @Test("names and numbers are found with -n and -nn, and the rest of the header is left out")
    func headers() throws {
        let details = "\tControl: I/O-\n\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=4K]\n\n"
        let nn =
            "01:00.0 VGA compatible controller [0300]: Maker [AMD/ATI] Card [RX 1] [1002:73ff] (rev c3) (prog-if 00 [VGA controller])\n"
        for (header, name, ids) in [
            (nn, "VGA compatible controller: Maker [AMD/ATI] Card [RX 1]", true),
            ("01:00.0 0300: 1002:73ff (rev c3) (prog-if 00 [VGA controller])\n", "0300", true),
            ("01:00.0 Class 0300: 1002:73ff (rev c3)\n", "0300", true),
            (
                "01:00.0 VGA compatible controller: Maker Card (rev c3)\n", "VGA compatible controller: Maker Card",
                false
            ),
        ] {
            let function = try read(header + details).layout.functions[0]
            #expect(
                function.name == name && function.hasIdentity == ids && function.description.classCode == 0x030000,
                "\(header)")
            #expect(function.description.deviceID == (ids ? 0x73ff : 1))
        }
    }

    @Test(
        "paths through bridges are addresses; -P leaves buses out, which the bridges tell",
        arguments: ["00:01.0/01:00.0", "00:01.0/00.0"])
    func paths(path: String) throws {
        let (layout, _) = try read(LspciText.bridge("0001:00:01.0") + LspciText.network("0001:\(path)"), .flat)
        #expect(layout.functions.map { "\($0.source)" } == ["0001:01:00.0"] && layout.bridges == 1)
    }

    @Test(
        "forms without BARs are known, and none of their lines is a function",
        arguments: [
            ("Slot:\t01:00.0\nClass:\tVGA compatible controller\nVendor:\tExample\n\n", "-vmm"),
            ("-[0000:00]-+-00.0  Example Host Bridge\n           +-01.0-[01]----00.0  Example\n", "-t"),
        ])
    func unusable(text: String, form: String) {
        let dump = TextDumpReader.read(Array(text.utf8))
        #expect(dump.functions.isEmpty && dump.form?.contains(form) == true)
    }

    @Test("a capability list that a browser has swallowed is hidden, and old words for MSI-X are known")
    func oldWords() throws {
        let header =
            "05:00.0 SMBus: x\n\tControl: I/O-\n\tStatus: Cap+\n\tRegion 0: Memory at f0000000 (32-bit, prefetchable) [size=16K]\n"
        let swallowed = try read(header + "\tCapabilities: \n")
        #expect(swallowed.warnings.map(\.isSkipped) == [false])
        let msix =
            "\tCapabilities: [70] MSI-X: Enable- Mask- TabSize=3\n\t\tVector table: BAR=0 offset=00002000\n\t\tPBA: BAR=0 offset=00003000\n"
        let old = try read(header + msix)
        #expect(old.layout.functions[0].description.msix?.vectors == 3)
    }
}

extension String {
    fileprivate var trimmed: String { String(reversed().drop { $0 == "\n" }.reversed()) }
}
