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

    func drawPanel(_ panel: Panel, on canvas: inout SVGCanvas, at top: Int) -> Int {
        let frame = canvas.reserve()
        let slots = Set(panel.pieces.compactMap(\.slot)).count
        canvas.text(panel.area.name, x: Self.left, y: top + 25, size: 14, style: "h", within: 340)
        canvas.text(
            rangeText(panel.area.first, panel.area.last), x: 430, y: top + 25, size: 12, style: "m q", within: 290)
        let facts = [useText(panel), counted(panel.pieces.count, "piece"), counted(slots, "slot")]
        canvas.text(
            facts.joined(separator: "  ·  "), x: Self.right, y: top + 25, size: 12, style: "q", anchor: .end, within: 480)
        drawStrip(panel, on: &canvas, x: Self.left, y: top + 36, width: Self.right - Self.left, height: 10)

        var y = top + 56
        if panel.isNamed, let first = panel.pieces.first, first.first > panel.area.first {
            y = drawGap(panel.area.first, first.first - 1, on: &canvas, at: y)
        }
        y = panel.pieces.count <= Self.mostRows
            ? drawRows(panel.pieces, on: &canvas, at: y) : drawGrid(panel.pieces, on: &canvas, at: y)
        if let last = panel.pieces.map(\.last).max(), let hole = gap(after: last, before: panel.area.last),
            panel.isNamed
        {
            y = drawGap(hole.first, panel.area.last, on: &canvas, at: y)
        }
        let bottom = y + 10
        canvas.frame(frame, Self.margin, top, Self.contentWidth, bottom - top)
        return bottom + 18
    }

    /// Addresses where nothing is, as a line of their own.
    private func drawGap(_ first: UInt64, _ last: UInt64, on canvas: inout SVGCanvas, at y: Int) -> Int {
        canvas.path(SVGCanvas.breakMark(x: Column.bar, y: y + 3), style: "k")
        canvas.path("M\(Column.bar + 16) \(y + 10)h\(Column.barWidth - 16)", style: "k d")
        canvas.text("unmapped", x: Column.owner, y: y + 14, size: 11, style: "q", within: 220)
        canvas.text(rangeText(first, last), x: Column.range, y: y + 14, size: 11, style: "m q", within: 340)
        canvas.text(
            sizeText(byteCount(first, last)), x: Column.size, y: y + 14, size: 11, style: "q", anchor: .end, within: 90)
        return y + 20
    }

    // MARK: - Few pieces: a row each

    private func drawRows(_ pieces: [MapPiece], on canvas: inout SVGCanvas, at top: Int) -> Int {
        var y = top
        var slotTop = top
        for (index, piece) in pieces.enumerated() {
            let before = index > 0 ? pieces[index - 1] : nil
            if let before, let hole = gap(after: before.last, before: piece.first) {
                y = drawGap(hole.first, hole.last, on: &canvas, at: y)
            } else if let before, before.function != piece.function {
                canvas.path("M\(Column.owner) \(y)H\(Self.right)", style: "l")
            }
            drawRow(piece, on: &canvas, at: y)
            if before.map({ !isJoined($0, piece) }) ?? true { slotTop = y }
            y += 22
            let after = index + 1 < pieces.count ? pieces[index + 1] : nil
            if let slot = piece.slot, after.map({ !isJoined(piece, $0) }) ?? true {
                drawSlot(slot, from: slotTop, to: y, on: &canvas)
            }
        }
        return y
    }

    /// The longest bar is the largest piece of the drawing; each halving shortens it by as much.
    private func drawRow(_ piece: MapPiece, on canvas: inout SVGCanvas, at y: Int) {
        let size = byteCount(piece.first, piece.last)
        let largest = pieces.map { byteCount($0.first, $0.last) }.max() ?? size
        let steps = max(8, doublings(largest))
        let length = max(16, Column.barWidth * (doublings(size) + 1) / (steps + 1))
        canvas.open(tooltip: tooltip(piece))
        canvas.rect(Column.bar, y + 4, length, 14, style: style(of: piece))
        canvas.text(piece.owner, x: Column.owner, y: y + 15, size: 12, within: 230)
        canvas.text(
            rangeText(piece.first, piece.last), x: Column.range, y: y + 15, size: 12, style: "m", within: 340)
        canvas.text(sizeText(size), x: Column.size, y: y + 15, size: 12, anchor: .end, within: 90)
        if piece.slot == nil {
            canvas.text("no slot", x: Column.slot, y: y + 15, size: 12, style: "q", within: 150)
        }
        canvas.close()
    }

    /// A slot along all rows that it holds, on both sides.
    private func drawSlot(_ slot: Int, from top: Int, to bottom: Int, on canvas: inout SVGCanvas) {
        canvas.path("M\(Column.spine) \(top + 4)V\(bottom - 4)M\(Column.slot - 14) \(top + 4)V\(bottom - 4)", style: "s")
        canvas.text("slot \(slot)", x: Column.slot, y: (top + bottom) / 2 + 4, size: 12, within: 150)
    }

    // MARK: - Many pieces: a cell each

    private static let cellsPerRow = 64
    private static let pitch = 14
    private static let firstCell = left + 120

    /// A place in the grid: a piece, or addresses where nothing is.
    private enum Cell {
        case piece(MapPiece)
        case gap(first: UInt64, last: UInt64)
    }

    /// Bands of cells in the order of addresses; a band begins where the functions begin anew.
    private func drawGrid(_ pieces: [MapPiece], on canvas: inout SVGCanvas, at top: Int) -> Int {
        var bands: [[MapPiece]] = []
        for piece in pieces {
            if let last = bands.last?.last, (last.function ?? "") <= (piece.function ?? "") {
                bands[bands.count - 1].append(piece)
            } else {
                bands.append([piece])
            }
        }
        // Where addresses do not follow the functions at all, bands say nothing.
        if bands.count * 8 > pieces.count { bands = [pieces] }
        var y = top
        var previous: MapPiece?
        for band in bands {
            y = drawBand(band, after: previous, on: &canvas, at: y)
            previous = band.last
        }
        return y
    }

    private func drawBand(_ band: [MapPiece], after previous: MapPiece?, on canvas: inout SVGCanvas, at top: Int) -> Int {
        canvas.text(bandText(band), x: Self.firstCell, y: top + 13, size: 11, style: "q", within: 890)
        var cells: [Cell] = []
        var before = previous
        for piece in band {
            if let before, let hole = gap(after: before.last, before: piece.first) {
                cells.append(.gap(first: hole.first, last: hole.last))
            }
            cells.append(.piece(piece))
            before = piece
        }
        var y = top + 20
        for start in stride(from: 0, to: cells.count, by: Self.cellsPerRow) {
            let end = min(cells.count, start + Self.cellsPerRow)
            drawCells(cells[start..<end], of: cells, on: &canvas, at: y)
            y += 24
        }
        return y + 4
    }

    /// What the pieces of a band have in common.
    private func bandText(_ band: [MapPiece]) -> String {
        let registers = Set(band.filter { $0.function != nil }.map(\.register)).sorted()
        let functions = Set(band.compactMap(\.function)).count
        var facts: [String] = []
        if let first = registers.first, let last = registers.last {
            facts = [first == last ? "\(first)" : "\(first) to \(last)", "of " + counted(functions, "function")]
        }
        let size = band.reduce(0) { $0 &+ byteCount($1.first, $1.last) }
        return facts.joined(separator: " ") + (facts.isEmpty ? "" : "  ·  ") + counted(band.count, "piece")
            + "  ·  " + sizeText(size)
    }

    private func drawCells(_ row: ArraySlice<Cell>, of cells: [Cell], on canvas: inout SVGCanvas, at y: Int) {
        var slotMarks = ""
        var breaks = ""
        var names: [Substring] = []
        for (column, index) in row.indices.enumerated() {
            let x = Self.firstCell + column * Self.pitch
            guard case .piece(let piece) = row[index] else {
                breaks += SVGCanvas.breakMark(x: x + 1, y: y + 1)
                continue
            }
            let before = index > 0 ? self.piece(cells[index - 1]) : nil
            let after = index + 1 < cells.count ? self.piece(cells[index + 1]) : nil
            // Pieces of one function stand closer together than functions.
            let inset = before.map { $0.function == piece.function } ?? false ? 0 : 2
            canvas.rect(x + inset, y, Self.pitch - 1 - inset, 15, style: style(of: piece), tooltip: tooltip(piece))
            names += piece.function.map { [$0] } ?? []
            guard piece.slot != nil else { continue }
            let start = before.map { isJoined($0, piece) } ?? false ? x - (column == 0 ? 6 : 0) : x + 2
            let end = after.map { isJoined(piece, $0) } ?? false ? x + Self.pitch + (column == 63 ? 6 : 0) : x + 12
            slotMarks += "M\(start) \(y + 18)H\(end)"
        }
        canvas.path(slotMarks, style: "s")
        canvas.path(breaks, style: "k")
        drawMargins(row, names: names, on: &canvas, at: y)
    }

    /// The first address of a row before it, its functions behind it.
    private func drawMargins(_ row: ArraySlice<Cell>, names: [Substring], on canvas: inout SVGCanvas, at y: Int) {
        let address: UInt64? =
            switch row.first {
            case .piece(let piece): piece.first
            case .gap(let first, _): first
            case nil: nil
            }
        if let address {
            canvas.text(
                hex(address), x: Self.firstCell - 10, y: y + 12, size: 10, style: "m q", anchor: .end, within: 110)
        }
        if let first = names.first, let last = names.last {
            canvas.text(
                first == last ? "\(first)" : "\(first) – \(last)", x: Self.firstCell + 64 * Self.pitch + 12, y: y + 12,
                size: 10, style: "m q", within: 150)
        }
    }

    private func piece(_ cell: Cell) -> MapPiece? {
        if case .piece(let piece) = cell { piece } else { nil }
    }

    // MARK: - Pieces

    /// Whether two neighbours are in one slot.
    private func isJoined(_ left: MapPiece, _ right: MapPiece) -> Bool {
        left.slot != nil && left.slot == right.slot && gap(after: left.last, before: right.first) == nil
    }

    private func tooltip(_ piece: MapPiece) -> String {
        let size = sizeText(byteCount(piece.first, piece.last))
        let kind = piece.kind == .trapped ? ", trapped" : ""
        let slot = piece.slot.map { "slot \($0)" } ?? "no slot"
        return "\(piece.owner)\(kind)\n\(rangeText(piece.first, piece.last))\n\(size), \(slot)"
    }
}
