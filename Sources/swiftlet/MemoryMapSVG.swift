/// A piece of guest-physical memory on the map: RAM, or a part of a BAR or ROM that is handled in one way.
struct MapPiece: Hashable, Sendable {
    enum Kind: Sendable {
        case ram
        /// A part of a BAR that the guest reaches without the monitor.
        case bar
        case rom
        /// A part of a BAR or ROM where every access exits to the monitor.
        case trapped
        /// Memory that belongs to no function and is not RAM, such as the extra slots of a guest.
        case extra
    }

    var kind: Kind
    /// First and last address.
    var first: UInt64
    var last: UInt64
    /// `RAM`, `00:04.0 BAR 2`, `00:04.0 ROM`: for BARs and ROMs the function, a space, and the register.
    var owner: String
    /// The memory slot that it is in; nil where it is in none.
    var slot: Int?

    /// What has a hue of its own: the function; nil for RAM and extra memory.
    var function: Substring? {
        switch kind {
        case .bar, .rom, .trapped: owner.prefix { $0 != " " }
        case .ram, .extra: nil
        }
    }

    /// The owner without its function.
    var register: Substring { owner.drop { $0 != " " }.dropFirst() }
}

/// A named range of guest-physical addresses.
struct MapArea: Hashable, Sendable {
    var name: String
    /// First and last address.
    var first: UInt64
    var last: UInt64
}

/// A drawing of guest-physical memory: all areas side by side, and below them a panel for each that holds anything.
///
/// The same areas and pieces give the same text. Areas do not overlap; a piece belongs to the area of its first address.
struct MemoryMapSVG {
    let title: String
    let areas: [MapArea]
    let pieces: [MapPiece]
    /// Functions in order; their places in it choose their hues.
    private let functions: [Substring: Int]

    /// An area and what is in it, by address.
    struct Panel {
        var area: MapArea
        /// Whether the area was asked for; otherwise it only spans what lies in no area.
        var isNamed = true
        var pieces: [MapPiece] = []

        /// Bytes, the trapped ones included.
        var used: UInt64 {
            pieces.reduce(0) { $0 &+ byteCount($1.first, $1.last) }
        }
    }

    init(title: String, areas: [MapArea], pieces: [MapPiece]) {
        self.title = title
        self.areas = areas.sorted { ($0.first, $0.last) < ($1.first, $1.last) }
        self.pieces = pieces.sorted { ($0.first, $0.last, $0.owner) < ($1.first, $1.last, $1.owner) }
        let names = Set(pieces.compactMap(\.function)).sorted()
        functions = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }

    static let margin = 36
    static let contentWidth = SVGCanvas.width - 2 * margin

    /// The whole document.
    var text: String {
        var canvas = SVGCanvas()
        var y = drawHeader(on: &canvas)
        y = drawLegend(on: &canvas, at: y)
        let panels = panels
        y = drawOverview(panels.filter(\.isNamed), on: &canvas, at: y)
        for panel in panels where !panel.pieces.isEmpty {
            y = drawPanel(panel, on: &canvas, at: y)
        }
        return canvas.document(title: title, height: y)
    }

    /// All areas with their pieces; one more at the end for pieces outside of every area.
    private var panels: [Panel] {
        var panels = areas.map { Panel(area: $0) }
        var outside: [MapPiece] = []
        var index = 0
        for piece in pieces {
            while index < panels.count, panels[index].area.last < piece.first { index += 1 }
            if index < panels.count, panels[index].area.first <= piece.first {
                panels[index].pieces.append(piece)
            } else {
                outside.append(piece)
            }
        }
        if let first = outside.first?.first, let last = outside.map(\.last).max() {
            let area = MapArea(name: "outside of every area", first: first, last: last)
            panels.append(Panel(area: area, isNamed: false, pieces: outside))
        }
        return panels
    }

    /// The class that paints a piece.
    func style(of piece: MapPiece) -> String {
        let hue = piece.function.flatMap { functions[$0] }.map { $0 % SVGCanvas.hues.count } ?? 0
        return switch piece.kind {
        case .ram: "ram"
        case .extra: "x"
        case .bar: "b\(hue)"
        case .rom: "o\(hue)"
        case .trapped: "t\(hue)"
        }
    }

    // MARK: - Title and legend

    private func drawHeader(on canvas: inout SVGCanvas) -> Int {
        canvas.text(title, x: Self.margin, y: 46, size: 22, style: "h", within: Self.contentWidth)
        let ram = pieces.filter { $0.kind == .ram }.reduce(0) { $0 &+ byteCount($1.first, $1.last) }
        let trapped = pieces.count { $0.kind == .trapped }
        var facts = [ram == 0 ? "no RAM" : "\(sizeText(ram)) of RAM"]
        if !functions.isEmpty { facts.append(counted(functions.count, "function")) }
        facts.append(counted(pieces.count, "piece") + (trapped > 0 ? ", \(trapped) of them trapped" : ""))
        facts.append(counted(Set(pieces.compactMap(\.slot)).count, "memory slot"))
        canvas.text(
            facts.joined(separator: "  ·  "), x: Self.margin, y: 70, size: 13, style: "q", within: Self.contentWidth)
        return 90
    }

    /// Explains what occurs in this drawing.
    private func drawLegend(on canvas: inout SVGCanvas, at top: Int) -> Int {
        let kinds = Set(pieces.map(\.kind))
        var items: [(styles: [String], text: String)] = []
        if kinds.contains(.ram) { items.append((["ram"], "RAM")) }
        if kinds.contains(.bar) {
            let styles = (0..<min(3, max(1, functions.count))).map { "b\($0)" }
            items.append((styles, styles.count > 1 ? "BAR, a hue a function" : "BAR"))
        }
        if kinds.contains(.rom) { items.append((["o0"], "ROM")) }
        if kinds.contains(.trapped) { items.append((["t0"], "trapped: every access exits")) }
        if kinds.contains(.extra) { items.append((["x"], "other memory")) }
        if pieces.contains(where: { $0.slot != nil }) { items.append((["s"], "one memory slot")) }
        items.append((["k"], "unmapped"))

        var (x, y) = (Self.margin, top)
        for item in items {
            let (swatch, label) = (item.styles.count * 18, SVGCanvas.textWidth(item.text, size: 12))
            if x + swatch + 7 + label > Self.margin + Self.contentWidth { (x, y) = (Self.margin, y + 22) }
            for (index, style) in item.styles.enumerated() {
                drawSwatch(style, x: x + index * 18, y: y, on: &canvas)
            }
            canvas.text(item.text, x: x + swatch + 7, y: y + 12, size: 12, within: label + 1)
            x += swatch + 7 + label + 22
        }
        return y + 38
    }

    private func drawSwatch(_ style: String, x: Int, y: Int, on canvas: inout SVGCanvas) {
        switch style {
        case "s": canvas.path("M\(x) \(y + 9)h16", style: "s")
        case "k": canvas.path(SVGCanvas.breakMark(x: x + 3, y: y + 1), style: "k")
        default: canvas.rect(x, y + 1, 16, 14, style: style)
        }
    }

    // MARK: - Overview

    private static let blockWidth = 164
    private static let gapWidth = 60

    /// All areas by address as equal blocks, each with a strip to scale; a break mark where addresses lie between two.
    private func drawOverview(_ panels: [Panel], on canvas: inout SVGCanvas, at top: Int) -> Int {
        guard !panels.isEmpty else { return top }
        var (x, y) = (Self.margin, top)
        var previous: UInt64?
        for panel in panels {
            let hole = previous.flatMap { gap(after: $0, before: panel.area.first) }
            let before = hole == nil ? 0 : Self.gapWidth
            if x + before + Self.blockWidth > Self.margin + Self.contentWidth {
                (x, y) = (Self.margin, y + 136)
            }
            if let hole {
                let size = sizeText(byteCount(hole.first, hole.last))
                canvas.path(SVGCanvas.breakMark(x: x + 24, y: y + 28), style: "k")
                canvas.text(
                    size, x: x + Self.gapWidth / 2 - 4, y: y + 60, size: 10, style: "q", anchor: .middle,
                    within: Self.gapWidth - 8)
                x += Self.gapWidth
            }
            drawBlock(panel, on: &canvas, x: x, y: y)
            x += Self.blockWidth + 8
            previous = panel.area.last
        }
        return y + 140
    }

    private func drawBlock(_ panel: Panel, on canvas: inout SVGCanvas, x: Int, y: Int) {
        let (area, inner) = (panel.area, Self.blockWidth - 20)
        canvas.rect(x, y, Self.blockWidth, 88, style: "p", radius: 6)
        let lines = SVGCanvas.wrapped(area.name, size: 12, within: inner)
        for (index, line) in lines.prefix(2).enumerated() {
            canvas.text(line, x: x + 10, y: y + 20 + 15 * index, size: 12, style: "h", within: inner)
        }
        drawStrip(panel, on: &canvas, x: x + 10, y: y + 46, width: inner, height: 16)
        let use = panel.pieces.isEmpty ? "\(sizeText(byteCount(area.first, area.last))), no memory" : useText(panel)
        canvas.text(use, x: x + 10, y: y + 78, size: 10, style: "q", within: inner)
        canvas.path("M\(x) \(y + 94)v8M\(x + Self.blockWidth) \(y + 94)v21", style: "k")
        canvas.text(hex(area.first), x: x + 5, y: y + 102, size: 10, style: "m q", within: inner)
        canvas.text(
            hex(area.last), x: x + Self.blockWidth - 5, y: y + 115, size: 10, style: "m q", anchor: .end,
            within: inner)
    }

    /// The area from its first to its last address, to scale; the smallest piece is still a pixel.
    func drawStrip(_ panel: Panel, on canvas: inout SVGCanvas, x: Int, y: Int, width: Int, height: Int) {
        canvas.rect(x, y, width, height, style: "v")
        let scale = Double(width) / Double(byteCount(panel.area.first, panel.area.last))
        func pixel(_ address: UInt64) -> Int {
            min(width - 1, max(0, Int(Double(min(address, panel.area.last) &- panel.area.first) * scale)))
        }
        var columns = [String?](repeating: nil, count: width)
        for piece in panel.pieces {
            let (left, right) = (pixel(piece.first), pixel(max(piece.first, piece.last)))
            for column in left...max(left, right) where columns[column] == nil || piece.kind != .trapped {
                columns[column] = style(of: piece)
            }
        }
        var start = 0
        for column in 1...width where column == width || columns[column] != columns[start] {
            if let style = columns[start] {
                canvas.rect(x + start, y, column - start, height, style: style + " n")
            }
            start = column
        }
    }

    /// How much of an area is used.
    func useText(_ panel: Panel) -> String {
        let size = byteCount(panel.area.first, panel.area.last)
        guard panel.isNamed else { return sizeText(panel.used) }
        return "\(sizeText(panel.used)) of \(sizeText(size)), \(percentText(panel.used, of: size))"
    }
}
