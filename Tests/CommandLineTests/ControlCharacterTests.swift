import Foundation
import Pictures
import Testing

@testable import swiftlet

@Suite("Control characters that a file or a guest gives")
struct ControlCharacterTests {
    /// Escape, DEL, CSI of one byte, and NUL.
    private static let name = "a\u{1b}[31m\u{7f}\u{9b}2J\u{0}b"

    private func isTerminalSafe(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control || $0 == "\n" || $0 == "\t" }
    }

    @Test("are written out in tables, with the ends of lines in cells, and in messages without them")
    func text() {
        let table = TextTable([Self.name, "x\ny"], [.left("name") { $0 }]).text
        #expect(isTerminalSafe(table) && table.split(separator: "\n").count == 3)
        #expect(table.contains("\\u{001B}") || table.contains("\\u{1B}") || table.contains("\\u{1b}"), "\(table)")
        #expect("a\u{202e}b\u{2066}c\u{200f}".printable() == "a\\u{202E}b\\u{2066}c\\u{200F}")
        #expect("a\nb\tc".printable(keepingLines: true) == "a\nb\tc" && "plain ß 中".printable() == "plain ß 中")
    }

    @Test("are escaped in JSON, and mean the same")
    func json() throws {
        let bytes = try encodeJSON([Self.name, "\u{80}\u{a0}é"])
        #expect(isTerminalSafe(String(decoding: bytes, as: UTF8.self)))
        #expect(try JSONDecoder().decode([String].self, from: Data(bytes)) == [Self.name, "\u{80}\u{a0}é"])
    }

    @Test(
        "reach no terminal, whatever command meets them",
        arguments: [
            ["plan", "FILE"], ["plan", "FILE", "--json"], ["plan", "FILE", "--map", "/dev/stderr"],
            ["run", "FILE\u{1b}[31m"],
            ["layout", "BAD"], ["run", "nobody\u{1b}[2J"], ["run", "--memory", "\u{9b}5"],
        ])
    func commands(arguments: [String]) throws {
        let layout = #"{"name": "n\u001b[31m\u009b", "functions": [{"at": "00:00.0", "bars": []}]}"#
        let bad = #"{"name": "n", "functions": [{"at": "\u001b[31m\u009b\u007f", "bars": []}]}"#
        let (file, other) = (try TemporaryFile(Array(layout.utf8)), try TemporaryFile(Array(bad.utf8)))
        var command = Command()
        command.arguments = arguments.map {
            $0.replacingOccurrences(of: "FILE", with: file.path).replacingOccurrences(of: "BAD", with: other.path)
        }
        let result = try command.run()
        #expect(isTerminalSafe(result.output) && isTerminalSafe(result.errors), "\(result.output) \(result.errors)")
        #expect(!(result.output + result.errors).isEmpty)
    }
}
