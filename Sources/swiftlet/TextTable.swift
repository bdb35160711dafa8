/// A table for a terminal. Each column is as wide as its widest cell.
struct TextTable {
    /// A column: its title, and the function that makes its cell from a row.
    struct Column<Row> {
        fileprivate let title: String
        fileprivate let isRight: Bool
        fileprivate let cell: (Row) -> String

        static func left<Cell: CustomStringConvertible>(_ title: String, _ cell: @escaping (Row) -> Cell) -> Self {
            Self(title: title, isRight: false) { cell($0).description }
        }

        static func right<Cell: CustomStringConvertible>(_ title: String, _ cell: @escaping (Row) -> Cell) -> Self {
            Self(title: title, isRight: true) { cell($0).description }
        }
    }

    /// The line of titles, followed by the rows.
    let lines: [String]

    var text: String { lines.joined(separator: "\n") }

    /// Makes a table with a line for each row. A line that is longer than `width` is cut and ends with an ellipsis.
    init<Row>(_ rows: some Sequence<Row>, _ columns: [Column<Row>], width: Int? = nil) {
        let lines = [columns.map(\.title)] + rows.map { row in columns.map { $0.cell(row).printable() } }
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        self.lines = lines.map { line -> String in
            let cells = columns.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - line[column].count)
                return columns[column].isRight ? padding + line[column] : line[column] + padding
            }
            let text = cells.joined(separator: "  ")
            let line = String(text[..<(text.lastIndex { $0 != " " }.map(text.index(after:)) ?? text.startIndex)])
            guard let width, line.count > max(1, width) else { return line }
            return line.prefix(max(1, width) - 1) + "…"
        }
    }

    /// Makes a table of facts, each with its name. Facts that are nil are left out.
    init(_ title: String, _ note: String = "", facts: KeyValuePairs<String, String?>) {
        self.init(title, note, facts: facts.map { ($0.key, $0.value) })
    }

    init(_ title: String, _ note: String = "", facts: [(String, String?)]) {
        self.init(facts.filter { $0.1 != nil }, [.left(title) { $0.0 }, .left(note) { $0.1 ?? "" }])
    }
}

extension String {
    /// Returns the text with its control characters written out, such as `\\u{1b}`, also those that turn the direction of text.
    /// Text from a file or a guest must not command a terminal.
    ///
    /// - Parameter keepsLines: Whether newlines and tabs remain.
    func printable(keepingLines keepsLines: Bool = false) -> String {
        let isControl = { (scalar: Unicode.Scalar) in
            (scalar.properties.generalCategory == .control && !(keepsLines && (scalar == "\n" || scalar == "\t")))
                || scalar.properties.isBidiControl
        }
        guard unicodeScalars.contains(where: isControl) else { return self }
        return unicodeScalars.map { isControl($0) ? $0.escaped(asASCII: true) : String($0) }.joined()
    }
}
