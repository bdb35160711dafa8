import Memslots
import Pictures

/// A drawing of guest-physical memory. It has all areas in order of their addresses, each with a strip to scale and the pieces
/// in it.
///
/// Areas do not overlap, and pieces do not overlap. A piece belongs to the area of its first address. Equal maps give equal
/// text.
struct MemoryMapSVG {
    /// The whole document.
    private(set) var text = ""
    var canvas = SVGCanvas()
    /// The vertical place of the next item.
    var y = 46
    /// The functions in order, each with its index, which chooses its hue.
    private let functions: [Substring: Int]
    let largest: UInt64

    init(title: String, areas: [MapArea], pieces: [MapPiece], windows: [MapPiece] = [], verdict: String? = nil) {
        let pieces = pieces.byAddress
        functions = Dictionary(uniqueKeysWithValues: zip(Set(pieces.compactMap(\.function)).sorted(), 0...))
        largest = (pieces + windows).map(\.range.size).max() ?? 0
        let windows = windows.outermostFirst
        var areas = areas.sorted { $0.range.first < $1.range.first }.map { area in
            let isInside = { (piece: MapPiece) in area.range.contains(piece.range.first) }
            return MapArea(
                name: area.name, range: area.range, pieces: pieces.filter(isInside), windows: windows.filter(isInside))
        }
        let outside = pieces.filter { piece in !areas.contains { $0.range.contains(piece.range.first) } }
        let span = zip(outside.prefix(1), outside.suffix(1))
            .compactMap { GuestRange(first: $0.range.first, last: $1.range.last) }
        areas += span.map { MapArea(name: "outside of every area", range: $0, pieces: outside) }
        drawTitle(title, verdict, pieces)
        drawLegend(pieces + windows)
        for (before, area) in zip([nil] + areas, areas) {
            let first = area.range.first.rawValue
            let gap = MapPiece.unmapped(from: before.map { $0.range.last.rawValue &+ 1 } ?? first, upTo: first)
            drawRows(gap)
            y += gap.isEmpty ? 0 : 14
            drawHeading(area)
            area.windows.count > 40 ? drawGrid(area.windows) : drawRows(area.windows)
            if !area.pieces.isEmpty { drawPieces(of: area) }
            y += 14
        }
        text = canvas.document(
            title: title, height: y, styles: Self.styles, dark: Self.darkStyles, definitions: Self.definitions)
    }

    static let (left, right) = (36, SVGCanvas.width - 36)

    // MARK: - Title and legend

    private mutating func drawTitle(_ title: String, _ verdict: String?, _ pieces: [MapPiece]) {
        let width = Self.right - Self.left
        canvas.text(title, x: Self.left, y: y, size: 22, style: "h", within: width)
        let ram = pieces.filter { $0.kind == .ram }.totalSize
        var facts = [ram == 0 ? "no RAM" : "\(Figures.size(ram)) of RAM"]
        if !functions.isEmpty { facts.append(Figures.count(functions.count, "function")) }
        let line = Self.figures(of: pieces, behind: [verdict].compactMap(\.self) + facts)
        canvas.text(line, x: Self.left, y: y + 24, size: 13, style: "q", within: width)
        y += 44
    }

    /// Explains the kinds of pieces that occur in this drawing, slots and bars. All of it fits into one line.
    private mutating func drawLegend(_ pieces: [MapPiece]) {
        let kinds = Set(pieces.map(\.kind)).union([.unmapped])
        let (hues, looks) = (Self.hues.count, Self.hues.count * Self.turns)
        let differences =
            functions.count <= hues
            ? "a hue a function" : functions.count <= looks ? "a hue or pattern a function" : "\(looks) looks in turn"
        var items = MapPiece.Kind.allCases.filter(kinds.contains).map { kind in
            let hues = 0..<(kind == .bar ? min(3, functions.count) : 1)
            let words = kind == .bar ? "\(kind.rawValue), \(differences)" : kind.rawValue
            return (styles: hues.map { kind.isHued ? "\(kind)\($0)" : "\(kind)" }, words: words)
        }
        items += [(["slot"], "one memory slot"), ([], "bars grow with each doubling")]
        var x = Self.left
        for (styles, words) in items {
            for style in styles {
                drawSwatch(style, x: x, y: y + 1, width: 16)
                x += 18
            }
            let width = SVGCanvas.textWidth(words, size: 12)
            canvas.text(words, x: x + 7, y: y + 12, size: 12, within: width + 1)
            x += width + 29
        }
        y += 38
        let names = Dictionary(pieces.compactMap { piece in piece.function.map { ($0, piece.name) } }) { first, _ in
            first
        }
        if functions.count > hues || names.values.contains(where: { !$0.isEmpty }) { drawFunctions(names) }
    }

    /// Draws the look and the name of each function. If there are many, draws the first of them and says how many follow.
    private mutating func drawFunctions(_ names: [Substring: String]) {
        let (most, height) = (48, 18)
        let columns = names.values.contains { !$0.isEmpty } ? 2 : 12
        let pitch = (Self.right - Self.left) / columns
        let shown = functions.sorted { $0.value < $1.value }.prefix(most)
        for (function, number) in shown {
            let (x, line) = (Self.left + number % columns * pitch, y + number / columns * height)
            drawSwatch("bar\(number % Self.hues.count)", x: x, y: line, width: 16)
            cover([(number, x, 16)], y: line, height: 14)
            let words = [String(function), names[function] ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
            canvas.text(words, x: x + 22, y: line + 11, size: 11, within: pitch - 30)
        }
        y += (shown.count + columns - 1) / columns * height
        if functions.count > most {
            let words = "and \(Figures.grouped(functions.count - most)) more, with the same looks in turn"
            canvas.text(words, x: Self.left, y: y + 11, size: 11, style: "q", within: Self.right - Self.left)
            y += height
        }
        y += 16
    }

    /// Covers places with the patterns that tell functions of one hue apart. The first six functions have no pattern.
    mutating func cover(_ places: [(function: Int?, x: Int, width: Int)], y: Int, height: Int) {
        for turn in 1..<Self.turns {
            let covered = places.filter { $0.function.map { $0 / Self.hues.count % Self.turns } == turn }
            let paths = covered.map { "M\($0.x) \(y)h\($0.width)v\(height)h-\($0.width)z" }
            canvas.path(paths.joined(), style: "turn\(turn)")
        }
    }

    /// Returns the place of a piece's function among all functions, or nil if the piece belongs to none.
    func number(of piece: MapPiece) -> Int? { piece.function.flatMap { functions[$0] } }

    /// Draws a sample of a style. A slot is a line, and addresses that are left out are two strokes.
    mutating func drawSwatch(_ style: String, x: Int, y: Int, width: Int) {
        switch style {
        case "slot": canvas.path("M\(x) \(y + 8)h\(width)", style: style)
        case "unmapped": canvas.path("M\(x + 3) \(y + 13)l5 -13m0 13l5 -13", style: style)
        default: canvas.rect(x, y, width, 14, style: style)
        }
    }

    /// Joins facts and the figures of pieces in one line.
    static func figures(of pieces: [MapPiece], behind facts: [String]) -> String {
        let trapped = pieces.count { $0.kind == .trapped }
        let count = Figures.count(pieces.count, "piece")
        let slots = Figures.count(Set(pieces.compactMap(\.slot)).count, "slot")
        let words = trapped == 0 ? count : "\(count), \(Figures.grouped(trapped)) of them trapped"
        return (facts + [words, slots]).joined(separator: "  ·  ")
    }

    func style(of piece: MapPiece) -> String {
        let hue = number(of: piece).map { "\($0 % Self.hues.count)" }
        return "\(piece.kind)\(hue ?? "")"
    }

    // MARK: - Areas

    /// Draws the name, range and use of an area, and a strip to scale from its first to its last address. Even the smallest
    /// piece has a pixel in the strip.
    private mutating func drawHeading(_ area: MapArea) {
        let (pieces, used, size) = (area.pieces, area.pieces.totalSize, area.range.size)
        let use = "\(Figures.size(used)) of \(Figures.size(size)), \(Figures.percent(used, of: size))"
        let words = pieces.isEmpty ? "\(Figures.size(size)), no memory" : Self.figures(of: pieces, behind: [use])
        canvas.text(area.name, x: Self.left, y: y + 14, size: 13, style: "h", within: 270)
        canvas.text(Figures.range(area.range), x: 330, y: y + 14, size: 12, style: "m q", within: 290)
        canvas.text(words, x: Self.right, y: y + 14, size: 12, style: "q", anchor: .end, within: 590)

        let width = Self.right - Self.left
        canvas.rect(Self.left, y + 21, width, 10, style: "strip")
        var (next, places) = (0, [(function: Int?, x: Int, width: Int)]())
        for piece in pieces {
            let pixels = [piece.range.first, piece.range.last].map { address in
                Int(Double(address.rawValue &- area.range.first.rawValue) / Double(size) * Double(width))
            }
            let (start, end) = (max(next, pixels[0]), min(pixels[1] + 1, width))
            guard start < end else { continue }
            canvas.rect(Self.left + start, y + 21, end - start, 10, style: style(of: piece) + " bare")
            places.append((number(of: piece), Self.left + start, end - start))
            next = end
        }
        cover(places, y: y + 21, height: 10)
        y += 36
    }

    /// Draws the pieces of an area, and the unmapped addresses before, between and after them.
    private mutating func drawPieces(of area: MapArea) {
        var (pieces, end) = ([MapPiece](), area.range.first.rawValue)
        for piece in area.pieces {
            pieces += MapPiece.unmapped(from: end, upTo: piece.range.first.rawValue) + [piece]
            end = piece.range.last.rawValue &+ 1
        }
        pieces += MapPiece.unmapped(from: end, upTo: area.range.last.rawValue &+ 1)
        // If there are many pieces, they are cells of a grid instead of rows. The unmapped addresses before and after them
        // remain rows.
        let mapped = pieces.indices.filter { pieces[$0].kind != .unmapped }
        let cells = mapped.count > 40 ? mapped[0]..<mapped[mapped.count - 1] + 1 : 0..<0
        drawRows(Array(pieces[..<cells.lowerBound]))
        drawGrid(Array(pieces[cells]))
        drawRows(Array(pieces[cells.upperBound...]))
    }
}

// MARK: - Styles

extension MemoryMapSVG {
    /// Hues for functions. People who see fewer colours can tell them apart too (after Paul Tol). Neighbours differ in
    /// lightness.
    static let hues = ["#4477aa", "#ccbb44", "#aa3377", "#66ccee", "#228833", "#ee6677"]

    private static let styles = """
        .strip{fill:none;stroke:#cbd2d9;rx:4px} .line{stroke:#e4e7eb} .row{fill-opacity:0} .veil{fill:#fff;fill-opacity:.4}
        .slot{stroke:#1f2933;stroke-width:3} .unmapped{stroke:#7b8794;stroke-width:1.2}
        .ram{fill:#8794a3} .extra{fill:#3e4c59} .window{fill:#fff;stroke:#3e4c59} rect.bare{stroke:none}
        .cut{fill:#fff;stroke:#fff} .turn1{fill:url(#turn1)} .turn2{fill:url(#turn2)} .turn3{fill:url(#turn3)}
        .turn1,.turn2,.turn3{pointer-events:none}
        """

    /// The differences for a viewer that asks for dark drawings.
    private static let darkStyles = """
        .strip{stroke:#3e4c59} .line{stroke:#2b3642} .veil{fill:#14191f} .slot{stroke:#e4e7eb} .window{fill:#14191f;stroke:#9aa5b1}
        .extra{fill:#7b8794} .cut{fill:#14191f;stroke:#14191f}
        """

    /// The number of times that each hue is used for functions that look different: once without a pattern, and once with each pattern.
    private static let turns = 4

    /// The patterns that are cut out of the shapes of functions: discs, vertical lines, and diagonals across those of trapped pieces.
    private static let turnPatterns = """
        <pattern id="turn1" width="5" height="5" patternUnits="userSpaceOnUse"><circle cx="2.5" cy="2.5" r="1.3" class="cut"/></pattern>
        <pattern id="turn2" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M2 0v4" stroke-width="1.6" class="cut"/></pattern>
        <pattern id="turn3" width="6" height="6" patternUnits="userSpaceOnUse">\
        <path d="M-1 5l2 2M0 0l6 6M5 -1l2 2" stroke-width="1.6" class="cut"/></pattern>

        """

    /// The patterns of pieces: ROMs have horizontal stripes, trapped pieces thin diagonal ones.
    private static let definitions =
        turnPatterns
        + hues.enumerated().map { hue, color in
            """
            <style>
            .bar\(hue){fill:\(color)} .rom\(hue){fill:url(#rom\(hue));stroke:\(color)}
            .trapped\(hue){fill:url(#trapped\(hue));stroke:\(color);stroke-dasharray:2 2}
            </style>
            <pattern id="rom\(hue)" width="4" height="4" patternUnits="userSpaceOnUse">\
            <path d="M0 1h4" stroke="\(color)" stroke-width="2.5"/></pattern>
            <pattern id="trapped\(hue)" width="5" height="5" patternUnits="userSpaceOnUse">\
            <path d="M-1 1l2 -2M0 5l5 -5M4 6l2 -2" stroke="\(color)"/></pattern>

            """
        }.joined()
}
