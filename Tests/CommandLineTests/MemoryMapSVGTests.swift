import Memslots
import Testing

@testable import Pictures
@testable import swiftlet

@Suite("The drawing of guest memory")
struct MemoryMapSVGTests {
    @Test("is well-formed, and small enough to open", arguments: MapSample.all)
    func wellFormed(sample: MapSample) throws {
        let elements = try SVGElement.all(in: sample.drawing)
        #expect(elements.first?.name == "svg")
        #expect(sample.drawing.utf8.count < 600_000)
    }

    @Test("tells owner, range, size and slot of every piece in one tooltip", arguments: MapSample.all)
    func tooltips(sample: MapSample) throws {
        let titles = try SVGElement.all(in: sample.drawing).filter { $0.name == "title" }.map(\.text)
        let expected = sample.pieces.map { piece in
            let (first, last) = (piece.range.first.rawValue, piece.range.last.rawValue)
            let range = "0x\(String(first, radix: 16)) – 0x\(String(last, radix: 16))"
            let trapped = piece.kind == .trapped ? ", trapped" : ""
            let size = Figures.size(last - first + 1)
            let name = piece.name.isEmpty ? "" : "\(piece.name)\n"
            return "\(piece.owner)\(trapped)\n\(name)\(range)\n\(size), \(piece.slot.map { "slot \($0)" } ?? "no slot")"
        }
        #expect(titles.first == sample.name)
        #expect(titles.dropFirst().sorted() == expected.sorted())
    }

    @Test("keeps every text and every shape on the canvas", arguments: MapSample.all)
    func insideCanvas(sample: MapSample) throws {
        let elements = try SVGElement.all(in: sample.drawing)
        let canvas = try #require(elements.first.flatMap { Box(shape: $0) })
        for element in elements where element.name == "text" || element.attributes["x"] != nil {
            let box = try #require(element.name == "text" ? Box(text: element) : Box(shape: element))
            #expect(canvas.contains(box), "\(element)")
        }
    }

    @Test("has no text over another", arguments: MapSample.all)
    func noOverlap(sample: MapSample) throws {
        let texts = try SVGElement.all(in: sample.drawing).filter { $0.name == "text" }
        let boxes = try texts.map { try #require(Box(text: $0)) }
        for (index, box) in boxes.enumerated() {
            let other = boxes[(index + 1)...].firstIndex { $0.overlaps(box) }
            #expect(other == nil, "\(texts[index]) and \(other.map { "\(texts[$0])" } ?? "")")
        }
    }

    @Test("is the same for the same map, in whatever order it comes", arguments: MapSample.all)
    func deterministic(sample: MapSample) {
        let other = MemoryMapSVG(title: sample.name, areas: sample.areas.reversed(), pieces: sample.pieces.reversed())
        #expect(other.text == sample.drawing)
    }

    @Test("escapes names")
    func escapes() {
        let drawing = MapSample.odd.drawing
        #expect(drawing.contains(">RAM &lt;&amp;&quot;&gt;</text>"))
        #expect(!drawing.contains("<&"))
        #expect(SVGCanvas.escaped("a\u{0}b\u{1b}c") == "a b c")
    }

    @Test("names a slot once, however many neighbours are in it")
    func joinedRows() throws {
        var sample = MapSample(name: "joined")
        for index in 0..<3 as Range<UInt64> {
            sample.add(.bar, "00:00.0 BAR \(index)", at: MapSample.low + index << 12, size: 4096, joining: true)
        }
        sample.add(.bar, "00:00.0 BAR 3", at: MapSample.low + 3 << 12, size: 4096)
        let texts = try SVGElement.all(in: sample.drawing).filter { $0.name == "text" }.map(\.text)
        #expect(texts.filter { $0.hasPrefix("slot ") } == ["slot 0", "slot 1"])
    }

    @Test("draws one line along neighbours in one slot, not across a trapped page")
    func joinedCells() throws {
        func lines(_ sample: MapSample) throws -> Int {
            try SVGElement.all(in: sample.drawing).filter { $0.attributes["class"] == "slot" }
                .compactMap { $0.attributes["d"] }.joined().count { $0 == "M" }
        }
        #expect(try lines(.fullBus(isCoalesced: false)) == 2048 + 1)
        // 257 slots of BARs and one of ROMs; some go on in further rows, of which there are 36.
        #expect((258 + 1...258 + 36).contains(try lines(.fullBus(isCoalesced: true))))
    }

    @Test("shows what kind a piece is by its pattern, and neighbours by different hues")
    func kinds() throws {
        let classes = try SVGElement.all(in: MapSample.fullBus(isCoalesced: false).drawing)
            .filter { $0.name == "rect" && $0.attributes["height"] == "15" }.compactMap { $0.attributes["class"] }
        #expect(classes.count == 2304)
        #expect(classes.prefix(6) == ["bar0", "trapped0", "bar0", "bar1", "trapped1", "bar1"])
        #expect(classes.suffix(2) == ["rom2", "rom3"])
    }

    @Test("gives each function a look of its own, as many as there are looks", arguments: [1, 6, 7, 24, 25])
    func looks(count: Int) throws {
        var sample = MapSample(name: "\(count)")
        for number in 0..<count {
            let address = MapSample.low + UInt64(number) << 12
            sample.add(.bar, "\(MapSample.function(number)) BAR 0", at: address, size: 4096)
        }
        let elements = try SVGElement.all(in: sample.drawing)
        // A function's bar in its row or cell, or its swatch in the list, and what covers the same place.
        var looks: Set<[String]> = []
        for bar in elements where bar.attributes["class"]?.hasPrefix("bar") == true && bar.attributes["height"] == "14"
        {
            let place = "M\(bar.attributes["x"] ?? "") \(bar.attributes["y"] ?? "")h"
            let cover = elements.first {
                $0.attributes["class"]?.hasPrefix("turn") == true && $0.attributes["d"]?.contains(place) == true
            }
            looks.insert([bar.attributes["class"] ?? "", cover?.attributes["class"] ?? ""])
        }
        #expect(looks.count == min(count, 24))
        let words = try #require(elements.map(\.text).first { $0.hasPrefix("BAR, ") })
        #expect(
            words == "BAR, "
                + (count <= 6 ? "a hue a function" : count <= 24 ? "a hue or pattern a function" : "24 looks in turn"))
    }

    @Test("lists the names of functions, and tells how many more there are")
    func names() throws {
        let texts = try SVGElement.all(in: MapSample.named.drawing).filter { $0.name == "text" }.map(\.text)
        #expect(texts.contains("00:00.0 Example <Adapter> 0") && texts.contains("00:05.7 Example <Adapter> 47"))
        #expect(texts.contains("and 2 more, with the same looks in turn"))
        #expect(!texts.contains { $0.contains("Adapter> 48") })
    }

    @Test("names windows of bridges in rows, inner ones below outer ones")
    func windows() throws {
        let windows = ["00:01.0", "01:00.0", "00:02.0"].enumerated().compactMap { index, owner in
            GuestRange(first: GuestAddress(MapSample.low + UInt64(index / 2) << 26), size: UInt64(3 - index) << 24).map
            {
                MapPiece(kind: .window, range: $0, owner: "\(owner) memory window")
            }
        }
        #expect(windows.count == 3)
        let sample = MapSample.few
        let drawing = MemoryMapSVG(
            title: "x", areas: sample.areas, pieces: sample.pieces, windows: windows.reversed()
        ).text
        let elements = try SVGElement.all(in: drawing)
        let texts = elements.filter { $0.name == "text" }.map(\.text)
        #expect(texts.filter { $0.hasSuffix("memory window") } == windows.map(\.owner))
        #expect(texts.contains("window of a bridge"))
        #expect(!sample.drawing.contains("window of a bridge"), "only where there are some")
    }

    @Test("says sizes and shares as people do")
    func figures() {
        #expect(Figures.size(8) == "8 bytes")
        #expect(Figures.size(4096) == "4 KiB")
        #expect(Figures.size(3 << 29) == "1.5 GiB")
        #expect(Figures.size((1 << 30) - 1) == "1 GiB")
        #expect(Figures.size(.max) == "16 EiB")
        #expect(Figures.percent(1, of: 1 << 20) == "< 0.1 %")
        #expect(Figures.percent(1, of: 2) == "50 %")
        #expect(GuestRange.everything.size == .max)
    }
}

/// A machine's memory, as it may come.
struct MapSample: CustomTestStringConvertible, Sendable {
    var name: String
    var areas = Self.areas
    var pieces: [MapPiece] = []

    var testDescription: String { name }
    var drawing: String { MemoryMapSVG(title: name, areas: areas, pieces: pieces).text }

    static let low: UInt64 = 0xd000_0000
    static let gibibyte: UInt64 = 1 << 30
    static let areas = [
        area("RAM below 3 GiB", 0, 0xbfff_ffff),
        area("configuration space (ECAM)", 0xc000_0000, 0xcfff_ffff),
        area("low aperture", low, 0xfebf_ffff),
        area("interrupt controllers", 0xfec0_0000, 0xffff_ffff),
        area("RAM above 4 GiB", 4 * gibibyte, 65 * gibibyte - 1),
        area("high aperture", 80 * gibibyte, (1 << 46) - 1),
    ]

    /// Adds a piece in a slot of its own, or in that of the piece before.
    mutating func add(_ kind: MapPiece.Kind, _ owner: String, at first: UInt64, size: UInt64, joining: Bool = false) {
        let before = pieces.last
        var slot = kind == .trapped ? nil : (pieces.last { $0.slot != nil }?.slot ?? -1) + 1
        if joining, let before, before.kind == kind, before.range.last.rawValue &+ 1 == first { slot = before.slot }
        pieces.append(MapPiece(kind: kind, range: Self.range(first, first + (size - 1)), owner: owner, slot: slot))
    }

    private static func area(_ name: String, _ first: UInt64, _ last: UInt64) -> MapArea {
        MapArea(name: name, range: range(first, last))
    }

    private static func range(_ first: UInt64, _ last: UInt64) -> GuestRange {
        guard let range = GuestRange(first: GuestAddress(first), last: GuestAddress(last)) else {
            preconditionFailure("a range of a sample ends before it begins")
        }
        return range
    }

    static let all = [
        few, typical, fullBus(isCoalesced: false), fullBus(isCoalesced: true), accelerators, odd, named,
        MapSample(name: "RAM only", pieces: Array(few.pieces.prefix(1))), MapSample(name: "nothing", areas: []),
    ]

    static let few: MapSample = {
        var sample = MapSample(name: "four pieces")
        sample.add(.ram, "RAM", at: 0, size: 128 << 20)
        sample.add(.bar, "00:04.0 BAR 0", at: low, size: 65536)
        sample.add(.bar, "00:04.0 BAR 1", at: low + 65536, size: 4096)
        sample.add(.bar, "00:05.0 BAR 0", at: 0xe000_0000, size: 16 << 20)
        return sample
    }()

    /// 16 devices of four pieces, with addresses between them.
    static let typical: MapSample = {
        var sample = MapSample(name: "16 devices")
        for device in 0..<16 as Range<UInt64> {
            let (name, base) = (function(Int(device) * 8), low + device << 20)
            sample.add(.bar, "\(name) BAR 0", at: base, size: 4096)
            sample.add(.trapped, "\(name) BAR 0", at: base + 4096, size: 4096)
            sample.add(.bar, "\(name) BAR 0", at: base + 8192, size: 8192)
            sample.add(.rom, "\(name) ROM", at: base + 65536, size: 65536)
        }
        return sample
    }()

    /// 256 functions of five BARs of a page, one of four pages in three pieces, and a ROM.
    static func fullBus(isCoalesced: Bool) -> MapSample {
        var sample = MapSample(name: isCoalesced ? "full bus, coalesced" : "full bus")
        var next = low
        func add(_ kind: MapPiece.Kind, _ function: Int, _ register: String, pages: UInt64) {
            let owner = "\(Self.function(function)) \(register)"
            sample.add(kind, owner, at: next, size: pages << 12, joining: isCoalesced)
            next += pages << 12
        }
        for function in 0..<256 {
            add(.bar, function, "BAR 5", pages: 1)
            add(.trapped, function, "BAR 5", pages: 1)
            add(.bar, function, "BAR 5", pages: 2)
        }
        for index in 0..<1280 { add(.bar, index / 5, "BAR \(index % 5)", pages: 1) }
        for function in 0..<256 { add(.rom, function, "ROM", pages: 1) }
        return sample
    }

    static let accelerators: MapSample = {
        var sample = MapSample(name: "eight accelerators")
        sample.add(.ram, "RAM", at: 0, size: 3 * gibibyte)
        sample.add(.ram, "RAM", at: 4 * gibibyte, size: 61 * gibibyte)
        for index in 0..<8 as Range<UInt64> {
            let name = function(Int(index) * 8)
            sample.add(.bar, "\(name) BAR 0", at: 80 * gibibyte + index << 24, size: 16 << 20)
            sample.add(.bar, "\(name) BAR 4", at: 81 * gibibyte + index << 25, size: 32 << 20)
            sample.add(.bar, "\(name) BAR 2", at: (index + 1) << 38, size: 256 * gibibyte)
        }
        return sample
    }()

    /// Names to escape and to shorten, and addresses at the ends of everything.
    static let odd: MapSample = {
        let areas = [
            area("an <&\"> area", 0, 0xfffff),
            area(String(repeating: "long name ", count: 20), 2 << 20, .max - 8192),
        ]
        var sample = MapSample(name: "<&\"> \(String(repeating: "wide", count: 50))", areas: areas)
        sample.add(.ram, "RAM <&\">", at: 0, size: 640 << 10)
        sample.add(.extra, String(repeating: "<&\">", count: 50), at: 16 << 20, size: 4096)
        sample.add(.trapped, "00:01.0 BAR 0", at: 9 << 56, size: 8)
        sample.add(.extra, "the last page", at: .max - 4095, size: 4096)
        return sample
    }()

    /// More functions than are listed, each with a name.
    static let named: MapSample = {
        var sample = MapSample(name: "named")
        for number in 0..<50 as Range<UInt64> {
            sample.add(.bar, "\(function(Int(number))) BAR 0", at: low + number << 12, size: 4096)
            sample.pieces[Int(number)].name = "Example <Adapter> \(number)"
        }
        return sample
    }()

    static func function(_ number: Int) -> String {
        let device = String(number >> 3, radix: 16)
        return "00:\(device.count < 2 ? "0" : "")\(device).\(number & 7)"
    }
}
