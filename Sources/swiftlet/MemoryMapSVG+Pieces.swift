import Memslots
import Pictures

// MARK: - Few pieces: a row each

extension MemoryMapSVG {
    private typealias Column = (
        x: Int, anchor: SVGCanvas.Anchor, width: Int, style: String, words: (MapPiece) -> String
    )

    /// The columns of words to the right of the bar.
    private static var columns: [Column] {
        [
            (320, .start, 230, "", \.owner), (560, .start, 340, "m", { Figures.range($0.range) }),
            (1000, .end, 90, "", { Figures.size($0.range.size) }),
            (
                slotColumn, .start, 150, "q",
                { [.unmapped, .window].contains($0.kind) || $0.slot != nil ? "" : "no slot" }
            ),
        ]
    }
    private static let (bar, barWidth, slotColumn, rowHeight) = (left + 10, 240, 1060, 22)

    /// Draws a row for each piece, with a bar and the words to its right. The largest piece of the drawing has the longest bar.
    /// Each halving of the size shortens the bar by the same length.
    mutating func drawRows(_ pieces: [MapPiece]) {
        let (top, width) = (y, Self.right - Self.left)
        let bits = { (size: UInt64) in UInt64.bitWidth - size.leadingZeroBitCount }
        for piece in pieces {
            let length = max(16, Self.barWidth * bits(piece.range.size) / max(8, bits(largest)))
            canvas.path("M\(Self.columns[0].x) \(y)H\(Self.slotColumn - 20)", style: "line")
            drawSwatch(style(of: piece), x: Self.bar, y: y + 4, width: length)
            cover([(number(of: piece), Self.bar, length)], y: y + 4, height: 14)
            for (x, anchor, width, style, words) in Self.columns {
                canvas.text(words(piece), x: x, y: y + 15, size: 12, style: style, anchor: anchor, within: width)
            }
            // A veil makes the words of unmapped pieces fainter.
            let (style, tooltip) = piece.kind == .unmapped ? ("veil", nil) : ("row", piece.tooltip)
            canvas.rect(Self.left, y + 1, width, Self.rowHeight - 2, style: style, tooltip: tooltip)
            y += Self.rowHeight
        }
        // A slot is a line along all rows that it holds, on both sides.
        for (slot, rows) in slots(of: pieces) {
            let (start, end) = (top + rows.lowerBound * Self.rowHeight, top + rows.upperBound * Self.rowHeight)
            let lines = [Self.left + 2, Self.slotColumn - 14].map { "M\($0) \(start + 4)V\(end - 4)" }
            canvas.path(lines.joined(), style: "slot")
            canvas.text("slot \(slot)", x: Self.slotColumn, y: (start + end) / 2 + 4, size: 12, within: 150)
        }
    }

    /// Returns the slots of the pieces. Adjacent pieces with the same slot share an entry, with the range of their indices.
    private func slots(of pieces: [MapPiece]) -> [(slot: Int, pieces: Range<Int>)] {
        var slots: [(slot: Int, pieces: Range<Int>)] = []
        for (index, piece) in pieces.enumerated() {
            guard let slot = piece.slot else { continue }
            let joins = slots.last.map { $0.slot == slot && $0.pieces.upperBound == index } ?? false
            let start = joins ? slots.removeLast().pieces.lowerBound : index
            slots.append((slot, start..<index + 1))
        }
        return slots
    }
}

// MARK: - Many pieces: a cell each

extension MemoryMapSVG {
    private static let (cellsPerRow, pitch, firstCell) = (64, 14, left + 120)

    /// Draws cells in the order of addresses, in bands. Above each band are the words that its pieces have in common. A new
    /// band begins where the functions start over.
    mutating func drawGrid(_ cells: [MapPiece]) {
        var (starts, function) = ([0], "" as Substring)
        for (index, piece) in cells.enumerated() where piece.kind != .unmapped {
            if piece.function ?? "" < function { starts.append(index) }
            function = piece.function ?? ""
        }
        // If addresses do not follow the functions at all, bands would say nothing.
        if starts.count * 8 > cells.count { starts = [0] }
        let slots = slots(of: cells).map(\.pieces)
        for (start, end) in zip(starts, starts.dropFirst() + [cells.count]) where start < end {
            let pieces = cells[start..<end].filter { $0.kind != .unmapped }
            let registers = Set(pieces.filter(\.kind.isHued).map(\.register)).sorted().joined(separator: ", ")
            let functions = Figures.count(Set(pieces.compactMap(\.function)).count, "function")
            let facts = (registers.isEmpty ? [] : ["\(registers) of \(functions)"]) + [Figures.size(pieces.totalSize)]
            let words = Self.figures(of: pieces, behind: facts)
            canvas.text(words, x: Self.firstCell, y: y + 13, size: 11, style: "q", within: 890)
            y += 20
            for first in stride(from: start, to: end, by: Self.cellsPerRow) {
                let row = first..<min(end, first + Self.cellsPerRow)
                drawCells(row, of: cells, slots.filter(row.overlaps))
            }
            y += 4
        }
    }

    /// Draws a row of cells. Slots are lines below them, the first address is on the left, and their functions are on the
    /// right.
    private mutating func drawCells(_ row: Range<Int>, of cells: [MapPiece], _ slots: [Range<Int>]) {
        func x(_ index: Int) -> Int { Self.firstCell + (index - row.lowerBound) * Self.pitch }
        var places: [(function: Int?, x: Int, width: Int)] = []
        for (index, piece) in zip(row, cells[row]) {
            guard piece.kind != .unmapped else {
                drawSwatch("unmapped", x: x(index) - 2, y: y + 1, width: 0)
                continue
            }
            // Pieces of one function stand closer together than those of different functions.
            let start = x(index) + (index > 0 && cells[index - 1].function == piece.function ? 0 : 2)
            let width = x(index + 1) - 1 - start
            canvas.rect(start, y, width, 15, style: style(of: piece), tooltip: piece.tooltip)
            places.append((number(of: piece), start, width))
        }
        cover(places, y: y, height: 15)
        // A slot that continues in another row sticks out at the end of this row.
        let lines = slots.map { slot in
            let start = slot.lowerBound < row.lowerBound ? x(row.lowerBound) - 6 : x(slot.lowerBound) + 2
            let end = slot.upperBound > row.upperBound ? x(row.upperBound) + 6 : x(slot.upperBound) - 2
            return "M\(start) \(y + 18)H\(end)"
        }
        canvas.path(lines.joined(), style: "slot")
        let names = cells[row].compactMap(\.function)
        let ends = names.prefix(1) + names.suffix(names.first == names.last ? 0 : 1)
        let (address, foot) = ("\(cells[row.lowerBound].range.first)", y + 12)
        let behind = x(row.lowerBound + Self.cellsPerRow) + 12
        canvas.text(address, x: Self.firstCell - 10, y: foot, size: 10, style: "m q", anchor: .end, within: 110)
        canvas.text(ends.joined(separator: " – "), x: behind, y: foot, size: 10, style: "m q", within: 150)
        y += 24
    }
}
