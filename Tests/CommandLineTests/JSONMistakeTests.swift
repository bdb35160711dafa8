import Foundation
import PropertySupport
import SeededRandom
import Testing

@testable import swiftlet

@Suite("The line in which a text stops being JSON")
struct JSONMistakeTests {
    @Test(
        "is that of the first mistake",
        arguments: [
            ("", 1), ("{", 1), ("{\n", 2), ("{\n\"a\": 1,\n}", 3), ("[\n1,\n\n]", 4), ("[1\n2]", 2), ("{\"a\"\n1}", 2),
            ("{\n\"a: 1,\n\"b\": 2}", 2), ("[tru]", 1), ("[1]\n\n]", 3), ("[\n{]", 2), ("{\n1: 2}", 2), ("[0x1]", 1),
        ])
    func line(text: String, line: Int) {
        #expect(JSONMistake.line(in: Array(text.utf8)) == line)
    }

    @Test(
        "is that of a value, by the keys that lead to it",
        arguments: [
            (["tests", "1", "status"], 5), (["tests", "0", "status"], 2), (["tests", "1"], 3), (["tests"], 1),
            (["x", "1", "0"], 6), (["tests", "2"], nil), (["none"], nil), (["x", "0", "y\\\""], 6),
        ])
    func line(path: [String], line: Int?) {
        let text = """
            {"tests": [{"guest": ["]", {}, []],
               "status": 1},
              {"a": {"status": 0},
               "status":
                  2}],
             "x": [{"y\\\"": 1}, [3]]}
            """
        #expect(JSONMistake.line(of: path, in: Array(text.utf8)) == line)
    }

    @Test("is found in each text that the decoder refuses", arguments: propertySeeds)
    func agrees(seed: UInt64) {
        struct Anything: Decodable { init(from decoder: any Decoder) {} }
        var random = SplitMix64(seed: seed)
        let parts = [
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\\"\"", "1", " -2.5e3 ", "true", "null", " ", "\n", "\"", "x",
        ]
        for _ in 0..<2000 {
            let middle = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                parts.randomElement(using: &random) ?? ""
            }
            let text = "[\(middle.joined())" + (parts.prefix(4).randomElement(using: &random) ?? "")
            let isJSON = (try? JSONDecoder().decode(Anything.self, from: Data(text.utf8))) != nil
            #expect(isJSON || JSONMistake.line(in: Array(text.utf8)) != nil, "seed \(seed): \(text)")
        }
    }

    @Test("is in no text that an encoder writes", arguments: propertySeeds)
    func isStrict(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        func value(_ depth: Int) -> Any {
            switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
            case 0: NSNull()
            case 1: Bool.random(using: &random)
            case 2: Int.random(in: .min ... .max, using: &random)
            case 3: Double.random(in: -1e300...1e300, using: &random) / 1e290
            case 4: "\u{1}\"\\ü/\u{1f600}\n"
            case 5: [String: Any]()
            case 6: (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth - 1) }
            default: ["a, b": value(depth - 1), "}": value(depth - 1)]
            }
        }
        for _ in 0..<200 {
            let (object, isPretty) = (value(4), Bool.random(using: &random))
            let bytes = try JSONSerialization.data(
                withJSONObject: object, options: isPretty ? [.fragmentsAllowed, .prettyPrinted] : .fragmentsAllowed)
            #expect(
                JSONMistake.line(in: Array(bytes)) == nil, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test(
        "refuses a file, though the decoder may accept it",
        arguments: [("[1,]", false), ("[1,\n]", false), ("\u{feff}[1, 2]", true), ("[1] ", true), ("[1]]", false)])
    func files(text: String, isRead: Bool) throws {
        let file = try TemporaryFile(Array(text.utf8))
        let read = try? InputFile(file.path, kind: "list", limit: 100).decoded(as: [Int].self)
        #expect((read != nil) == isRead)
    }

    @Test("is found however deep lists lie in each other")
    func depth() {
        for count in [100, 512] {
            let text = String(repeating: "[", count: count) + String(repeating: "]", count: count)
            #expect(JSONMistake.line(in: Array(text.utf8)) == nil)
        }
        #expect(JSONMistake.line(in: [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)) == 1)
    }
}
