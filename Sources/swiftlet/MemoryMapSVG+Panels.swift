import Pictures

extension MemoryMapSVG {
    /// More pieces than this are cells of a grid instead of rows.
    static let mostRows = 40

    private static let left = margin + 16
    private static let right = SVGCanvas.width - margin - 16

    /// The columns of a panel of rows.
    private enum Column {
        static let spine = left + 2
        static let bar = left + 10
        static let barWidth = 240
        static let owner = 320
        static let range = 560
        static let size = 1000
        static let slot = 1060
    }

    /// An area with all that is in it, in a frame.
    func drawPanel(_ panel: Panel, on canvas: inout SVGCanvas, at top: Int) -> Int {
        var content = SVGCanvas()
        let slots = Set(panel.pieces.compactMap(\.slot)).count
        content.text(panel.area.name, x: Self.left, y: top + 25, size: 14, style: "h", within: 340)
        content.text(
            Figures.range(panel.area.span), x: 430, y: top + 25, size: 12, style: "m q", within: 290)
        let facts = [useText(panel), Figures.count(panel.pieces.count, "piece"), Figures.count(slots, "slot")]
        content.text(
            facts.joined(separator: "  ·  "), x: Self.right, y: top + 25, size: 12, style: "q", anchor: .end,
            within: 480)
        drawStrip(panel, on: &content, x: Self.left, y: top + 36, width: Self.right - Self.left, height: 10)

        var y = top + 56
        if let first = panel.pieces.first, first.first > panel.area.first {
            y = drawGap(AddressSpan(first: panel.area.first, last: first.first - 1), on: &content, at: y)
        }
        y =
            panel.pieces.count <= Self.mostRows
            ? drawRows(panel.pieces, on: &content, at: y) : drawGrid(panel.pieces, on: &content, at: y)
        if let last = panel.pieces.map(\.last).max(), last < panel.area.last {
            y = drawGap(AddressSpan(first: last + 1, last: panel.area.last), on: &content, at: y)
        }
        canvas.rect(Self.margin, top, Self.contentWidth, y + 10 - top, style: "p", radius: 8)
        canvas.append(content)
        return y + 28
    }

    /// Addresses where nothing is, as a line of their own.
    private func drawGap(_ gap: AddressSpan, on canvas: inout SVGCanvas, at y: Int) -> Int {
        canvas.path(SVGCanvas.breakMark(x: Column.bar, y: y + 3), style: "k")
        canvas.path("M\(Column.bar + 16) \(y + 10)h\(Column.barWidth - 16)", style: "k d")
        canvas.text("unmapped", x: Column.owner, y: y + 14, size: 11, style: "q", within: 220)
        canvas.text(Figures.range(gap), x: Column.range, y: y + 14, size: 11, style: "m q", within: 340)
        canvas.text(Figures.size(gap.size), x: Column.size, y: y + 14, size: 11, style: "q", anchor: .end, within: 90)
        return y + 20
    }

    // MARK: - How full an area is

    /// The area from its first to its last address, to scale; the smallest piece is still a pixel.
    func drawStrip(_ panel: Panel, on canvas: inout SVGCanvas, x: Int, y: Int, width: Int, height: Int) {
        canvas.rect(x, y, width, height, style: "v")
        let scale = Double(width) / Double(max(1, panel.area.span.size))
        func pixel(_ address: UInt64) -> Int {
            let offset = max(address, panel.area.first) - panel.area.first
            return Int(min(Double(width - 1), Double(offset) * scale))
        }
        var columns = [String?](repeating: nil, count: width)
        for piece in panel.pieces {
            let (left, right) = (pixel(piece.first), pixel(max(piece.first, piece.last)))
            let style = style(of: piece)
            for column in left...max(left, right) where columns[column] == nil || piece.kind != .trapped {
                columns[column] = style
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
        let size = panel.area.span.size
        guard panel.isNamed else { return Figures.size(panel.used) }
        return "\(Figures.size(panel.used)) of \(Figures.size(size)), \(Figures.percent(panel.used, of: size))"
    }

    // MARK: - Few pieces: a row each

    private func drawRows(_ pieces: [MapPiece], on canvas: inout SVGCanvas, at top: Int) -> Int {
        var y = top
        var slotTop = top
        for (index, piece) in pieces.enumerated() {
            let before = index > 0 ? pieces[index - 1] : nil
            if let before, let hole = before.span.gap(before: piece.span) {
                y = drawGap(hole, on: &canvas, at: y)
            } else if let before, before.function != piece.function {
                canvas.path("M\(Column.owner) \(y)H\(Self.right)", style: "l")
            }
            drawRow(piece, on: &canvas, at: y)
            if !isJoined(before, piece) { slotTop = y }
            y += 22
            let after = index + 1 < pieces.count ? pieces[index + 1] : nil
            if let slot = piece.slot, !isJoined(piece, after) {
                drawSlot(slot, from: slotTop, to: y, on: &canvas)
            }
        }
        return y
    }

    /// The longest bar is the largest piece of the drawing; each halving shortens it by as much.
    private func drawRow(_ piece: MapPiece, on canvas: inout SVGCanvas, at y: Int) {
        let size = piece.span.size
        let steps = max(8, Figures.doublings(largest) + 1)
        let length = max(16, Column.barWidth * (Figures.doublings(size) + 1) / steps)
        canvas.rect(Column.bar, y + 4, length, 14, style: style(of: piece))
        canvas.text(piece.owner, x: Column.owner, y: y + 15, size: 12, within: 230)
        canvas.text(Figures.range(piece.span), x: Column.range, y: y + 15, size: 12, style: "m", within: 340)
        canvas.text(Figures.size(size), x: Column.size, y: y + 15, size: 12, anchor: .end, within: 90)
        if piece.slot == nil {
            canvas.text("no slot", x: Column.slot, y: y + 15, size: 12, style: "q", within: 150)
        }
        canvas.rect(Self.left, y, Self.right - Self.left, 22, style: "z", tooltip: tooltip(piece))
    }

    /// A slot along all rows that it holds, on both sides.
    private func drawSlot(_ slot: Int, from top: Int, to bottom: Int, on canvas: inout SVGCanvas) {
        canvas.path(
            "M\(Column.spine) \(top + 4)V\(bottom - 4)M\(Column.slot - 14) \(top + 4)V\(bottom - 4)", style: "s")
        canvas.text("slot \(slot)", x: Column.slot, y: (top + bottom) / 2 + 4, size: 12, within: 150)
    }

    // MARK: - Many pieces: a cell each

    private static let cellsPerRow = 64
    private static let pitch = 14
    private static let firstCell = left + 120

    /// Bands of cells in the order of addresses; a band begins where the functions begin anew.
    private func drawGrid(_ pieces: [MapPiece], on canvas: inout SVGCanvas, at top: Int) -> Int {
        // A nil is a break: addresses where nothing is.
        var cells: [MapPiece?] = []
        var starts = [0]
        var before: MapPiece?
        for piece in pieces {
            if before?.span.gap(before: piece.span) != nil { cells.append(nil) }
            if let before, before.function ?? "" > piece.function ?? "" { starts.append(cells.count) }
            cells.append(piece)
            before = piece
        }
        // Where addresses do not follow the functions at all, bands say nothing.
        if starts.count * 8 > pieces.count { starts = [0] }
        var y = top
        for (start, end) in zip(starts, starts.dropFirst() + [cells.count]) {
            let text = bandText(cells[start..<end].compactMap(\.self))
            canvas.text(text, x: Self.firstCell, y: y + 13, size: 11, style: "q", within: 890)
            y += 20
            for row in stride(from: start, to: end, by: Self.cellsPerRow) {
                drawCells(row..<min(end, row + Self.cellsPerRow), of: cells, on: &canvas, at: y)
                y += 24
            }
            y += 4
        }
        return y
    }

    /// What the pieces of a band have in common.
    private func bandText(_ band: [MapPiece]) -> String {
        let registers = Set(band.filter { $0.function != nil }.map(\.register)).sorted()
        let functions = Set(band.compactMap(\.function)).count
        var facts: [String] = []
        if let first = registers.first, let last = registers.last {
            let names = registers.count > 2 ? "\(first) to \(last)" : registers.joined(separator: " and ")
            facts = ["\(names) of \(Figures.count(functions, "function"))"]
        }
        let size = band.reduce(0) { $0 &+ $1.span.size }
        facts += [Figures.count(band.count, "piece"), Figures.size(size)]
        return facts.joined(separator: "  ·  ")
    }

    /// A row of cells: slots as lines below them, the first address before them, their functions behind.
    private func drawCells(_ row: Range<Int>, of cells: [MapPiece?], on canvas: inout SVGCanvas, at y: Int) {
        var (slots, breaks) = ("", "")
        for index in row {
            let x = Self.firstCell + (index - row.lowerBound) * Self.pitch
            guard let piece = cells[index] else {
                breaks += SVGCanvas.breakMark(x: x + 1, y: y + 1)
                continue
            }
            let before = index > 0 ? cells[index - 1] : nil
            let after = index + 1 < cells.count ? cells[index + 1] : nil
            // Pieces of one function stand closer together than functions.
            let inset = before?.function == piece.function ? 0 : 2
            canvas.rect(x + inset, y, Self.pitch - 1 - inset, 15, style: style(of: piece), tooltip: tooltip(piece))
            guard piece.slot != nil else { continue }
            // A slot that goes on in the next row stands out at the end of this one.
            let (isFirst, isLast) = (index == row.lowerBound, index + 1 == row.upperBound)
            let (joinsBefore, joinsAfter) = (isJoined(before, piece), isJoined(piece, after))
            if isFirst || !joinsBefore { slots += "M\(joinsBefore ? x - 6 : x + 2) \(y + 18)" }
            if isLast || !joinsAfter { slots += "H\(joinsAfter ? x + Self.pitch + 6 : x + 12)" }
        }
        canvas.path(slots, style: "s")
        canvas.path(breaks, style: "k")
        let pieces = cells[row].compactMap(\.self)
        guard let first = pieces.first else { return }
        canvas.text(
            Figures.hex(first.first), x: Self.firstCell - 10, y: y + 12, size: 10, style: "m q", anchor: .end,
            within: 110)
        let names = pieces.compactMap(\.function)
        if let first = names.first, let last = names.last {
            canvas.text(
                first == last ? String(first) : "\(first) – \(last)",
                x: Self.firstCell + Self.cellsPerRow * Self.pitch + 12, y: y + 12, size: 10, style: "m q", within: 150)
        }
    }

    // MARK: - Pieces

    /// Whether two neighbours are in one slot.
    private func isJoined(_ left: MapPiece?, _ right: MapPiece?) -> Bool {
        guard let left, let right else { return false }
        return left.slot != nil && left.slot == right.slot && left.span.gap(before: right.span) == nil
    }

    private func tooltip(_ piece: MapPiece) -> String {
        let size = Figures.size(piece.span.size)
        let kind = piece.kind == .trapped ? ", trapped" : ""
        let slot = piece.slot.map { "slot \($0)" } ?? "no slot"
        return "\(piece.owner)\(kind)\n\(Figures.range(piece.span))\n\(size), \(slot)"
    }
}
