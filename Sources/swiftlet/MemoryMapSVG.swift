import Pictures

/// Guest-physical addresses from a first to a last one.
struct AddressSpan: Hashable, Sendable {
    var first: UInt64
    var last: UInt64

    /// Bytes; all 2^64 of them count as one less.
    var size: UInt64 {
        guard first <= last else { return 0 }
        let (size, overflow) = (last - first).addingReportingOverflow(1)
        return overflow ? .max : size
    }

    /// The addresses between this one and one behind it; nil where there are none.
    func gap(before next: AddressSpan) -> AddressSpan? {
        next.first > last && next.first - last > 1 ? AddressSpan(first: last + 1, last: next.first - 1) : nil
    }
}

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

    var span: AddressSpan { AddressSpan(first: first, last: last) }

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

    var span: AddressSpan { AddressSpan(first: first, last: last) }
}

/// A drawing of guest-physical memory: all areas side by side, and below them a panel for each that holds anything.
///
/// Areas do not overlap, nor do pieces; a piece belongs to the area of its first address. Equal maps give equal text.
struct MemoryMapSVG {
    let title: String
    let areas: [MapArea]
    let pieces: [MapPiece]
    /// Functions in order; their places in it choose their hues.
    private let functions: [Substring: Int]
    /// Bytes of the largest piece.
    let largest: UInt64

    /// An area and what is in it, by address.
    struct Panel {
        var area: MapArea
        /// Whether the area was asked for; otherwise it only spans what lies in no area.
        var isNamed = true
        var pieces: [MapPiece] = []

        /// Bytes, the trapped ones included.
        var used: UInt64 {
            pieces.reduce(0) { $0 &+ $1.span.size }
        }
    }

    init(title: String, areas: [MapArea], pieces: [MapPiece]) {
        self.title = title
        self.areas = areas.sorted { ($0.first, $0.last) < ($1.first, $1.last) }
        self.pieces = pieces.sorted { ($0.first, $0.last, $0.owner) < ($1.first, $1.last, $1.owner) }
        let names = Set(pieces.compactMap(\.function)).sorted()
        functions = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        largest = pieces.map(\.span.size).max() ?? 0
    }

    static let margin = 36
    static let contentWidth = SVGCanvas.width - 2 * margin

    /// The whole document.
    var text: String {
        var canvas = SVGCanvas()
        let panels = panels
        var y = drawHeader(on: &canvas)
        y = drawLegend(panels, on: &canvas, at: y)
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
        let ram = pieces.filter { $0.kind == .ram }.reduce(0) { $0 &+ $1.span.size }
        let trapped = pieces.count { $0.kind == .trapped }
        var facts = [ram == 0 ? "no RAM" : "\(Figures.size(ram)) of RAM"]
        if !functions.isEmpty { facts.append(Figures.count(functions.count, "function")) }
        facts.append(Figures.count(pieces.count, "piece") + (trapped > 0 ? ", \(trapped) of them trapped" : ""))
        facts.append(Figures.count(Set(pieces.compactMap(\.slot)).count, "memory slot"))
        canvas.text(
            facts.joined(separator: "  ·  "), x: Self.margin, y: 70, size: 13, style: "q", within: Self.contentWidth)
        return 90
    }

    /// Explains what occurs in this drawing.
    private func drawLegend(_ panels: [Panel], on canvas: inout SVGCanvas, at top: Int) -> Int {
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
        if panels.contains(where: { (2...Self.mostRows).contains($0.pieces.count) }) {
            items.append(([], "bars grow with each doubling"))
        }

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

    private static let gapWidth = 60

    /// All areas by address as equal blocks, each with a strip to scale; a break mark where addresses lie between two.
    private func drawOverview(_ panels: [Panel], on canvas: inout SVGCanvas, at top: Int) -> Int {
        guard !panels.isEmpty else { return top }
        let holes = zip(panels, panels.dropFirst()).map { $0.area.span.gap(before: $1.area.span) }
        let gaps = holes.count { $0 != nil } * Self.gapWidth
        let width = min(300, max(192, (Self.contentWidth + 8 - gaps) / panels.count - 8))
        var (x, y) = (Self.margin, top)
        for (panel, hole) in zip(panels, [nil] + holes) {
            let before = hole == nil ? 0 : Self.gapWidth
            if x + before + width > Self.margin + Self.contentWidth {
                (x, y) = (Self.margin, y + 136)
            }
            if let hole {
                canvas.path(SVGCanvas.breakMark(x: x + 21, y: y + 28), style: "k")
                canvas.text(
                    Figures.size(hole.size), x: x + 26, y: y + 60, size: 10, style: "q", anchor: .middle,
                    within: Self.gapWidth - 8)
            }
            drawBlock(panel, width: width, on: &canvas, x: x + before, y: y)
            x += before + width + 8
        }
        return y + 140
    }

    private func drawBlock(_ panel: Panel, width: Int, on canvas: inout SVGCanvas, x: Int, y: Int) {
        let (area, inner) = (panel.area, width - 20)
        canvas.rect(x, y, width, 88, style: "p", radius: 6)
        for (index, line) in SVGCanvas.inTwoLines(area.name, size: 12, within: inner).enumerated() {
            canvas.text(line, x: x + 10, y: y + 20 + 15 * index, size: 12, style: "h", within: inner)
        }
        drawStrip(panel, on: &canvas, x: x + 10, y: y + 46, width: inner, height: 16)
        let use = panel.pieces.isEmpty ? "\(Figures.size(area.span.size)), no memory" : useText(panel)
        canvas.text(use, x: x + 10, y: y + 78, size: 10, style: "q", within: inner)
        canvas.path("M\(x) \(y + 94)v8M\(x + width) \(y + 94)v21", style: "k")
        canvas.text(Figures.hex(area.first), x: x + 5, y: y + 102, size: 10, style: "m q", within: inner)
        canvas.text(
            Figures.hex(area.last), x: x + width - 5, y: y + 115, size: 10, style: "m q", anchor: .end, within: inner)
    }
}

extension Figures {
    static func range(_ span: AddressSpan) -> String {
        "\(hex(span.first)) – \(hex(span.last))"
    }
}
