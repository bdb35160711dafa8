import Foundation
import PropertySupport
import SeededRandom
import Testing

@testable import swiftlet

@Suite("The line of a mistake in JSON")
struct JSONMistakeTests {
    @Test(
        "is that of the first mistake",
        arguments: [
            ("", 1), ("{", 1), ("{\n", 2), ("{\n\"a\": 1,\n}", 3), ("[\n1,\n\n]", 4), ("[1\n2]", 2), ("{\"a\"\n1}", 2),
            ("{\n\"a: 1,\n\"b\": 2}", 2), ("[tru]", 1), ("[1]\n\n]", 3), ("[\n{]", 2), ("{\n1: 2}", 2), ("[0x1]", 1),
        ])
    func line(text: String, line: Int) {
        #expect(JSONMistake.description(of: Array(text.utf8))?.contains("line \(line)") == true)
    }

    @Test(
        "is told with what is wrong there",
        arguments: [
            ("[\n\"\\q\"]", "line 2: a string has"), ("[\"a\",\n\"\\ud800\"]", "line 2: a string has"),
            ("[1,\n01]", "line 2: `01` is no number"), ("[\n1.]", "line 2: `1.` is no number"),
            ("[\n+1]", "line 2: `+1` is no number"), ("[\n-]", "line 2: `-` is no number"),
            ("[\n.5]", "line 2: `.5` is no number"),
            ("[\n-01]", "line 2: `-01` is no number"), ("[\n1.e5]", "line 2: `1.e5` is no number"),
            ("[1,]", "not valid JSON: see line 1"), ("[\n\n1e999]", "line 3: `1e999` is no number"),
            ("[\n{]", "not valid JSON: see line 2"),
            ("\u{feff}[\n]]", "not valid JSON: see line 2"),
        ])
    func words(text: String, words: String) {
        let found = JSONMistake.description(of: Array(text.utf8))
        #expect(found?.hasPrefix(words) == true, "\(found ?? "none")")
    }

    @Test("is that of a string that is no UTF-8")
    func badBytes() {
        let found = JSONMistake.description(of: Array("[\n\"a".utf8) + [0xff] + Array("\"]".utf8))
        #expect(found?.hasPrefix("line 2: a string") == true)
    }

    @Test("is that of a list that lies deeper than the decoder reads")
    func depth() {
        struct Anything: Decodable { init(from decoder: any Decoder) {} }
        for depth in [1, 511, 512, 513, 514, 100_000] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let isRead = (try? JSONDecoder().decode(Anything.self, from: Data(text.utf8))) != nil
            let found = JSONMistake.description(of: Array(text.utf8))
            #expect(isRead == (found == nil) && found?.contains("in each other") != false, "\(depth)")
        }
    }

    @Test(
        "is that of a key that its object already has",
        arguments: [
            ("{\"a\": 1,\n\"a\": 2}", "line 2: the key \"a\""), ("\u{feff}{\"a\": 1, \"a\": 2}", "line 1:"),
            ("{\"a\": 1,\n\"\\u0061\": 2}", "line 2: the key \"a\""), ("{\"é\": 1,\n\"e\u{301}\": 2}", "line 2:"),
            ("{\"b\": [{\"a\": 1},\n{\"a\": 1,\n\"b\": 1,\n\"a\": {}}]}", "line 4: the key \"a\""),
            ("{\"a\": {\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}, \"b\": 1}, \"b\": 1}", nil), ("[]", nil), ("1", nil),
        ] as [(String, String?)])
    func repeated(text: String, words: String?) {
        let found = JSONMistake.description(of: Array(text.utf8))
        #expect(words.map { found?.hasPrefix($0) == true } ?? (found == nil), "\(found ?? "none")")
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
            #expect(isJSON || JSONMistake.description(of: Array(text.utf8)) != nil, "seed \(seed): \(text)")
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
                JSONMistake.description(of: Array(bytes)) == nil,
                "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test(
        "refuses a file, though the decoder may accept it",
        arguments: [
            ("[1,]", false), ("[1,\n]", false), ("\u{feff}[1, 2]", true), ("[1] ", true), ("[1]]", false),
            ("[1.5]", false),
        ])
    func files(text: String, isRead: Bool) throws {
        let file = try TemporaryFile(Array(text.utf8))
        let read = try? InputFile(file.path, kind: "list", limit: 100).decoded(as: [Int].self)
        #expect((read != nil) == isRead)
    }

    @Test(
        "is that of a value, by the keys that lead to it",
        arguments: [
            (["tests", "1", "status"], 5), (["tests", "0", "status"], 2), (["tests", "1"], 3), (["tests"], 1),
            (["x", "1", "0"], 6), (["tests", "2"], nil), (["none"], nil), (["x", "0", "y\""], 6),
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
}
