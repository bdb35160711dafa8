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
        "is told with what is wrong there",
        arguments: [
            ("[\n\"\\q\"]", "line 2: a string has"), ("[\"a\",\n\"\\ud800\"]", "line 2: a string has"),
            ("[1,\n01]", "line 2: `01` is no number"), ("[\n1.]", "line 2: `1.` is no number"),
            ("[\n+1]", "line 2: `+1` is no number"), ("[\n\n1e999]", "line 3: `1e999` is no number"),
            ("[1.5]", "a number in it is not whole"), ("[\n{]", "not valid JSON: see line 2"),
            ("\u{feff}[\n]]", "not valid JSON: see line 2"),
        ])
    func words(text: String, words: String) {
        #expect(JSONMistake.description(of: Array(text.utf8)).hasPrefix(words))
    }

    @Test("is that of a string that is no UTF-8")
    func badBytes() {
        #expect(
            JSONMistake.description(of: Array("[\n\"a".utf8) + [0xff] + Array("\"]".utf8)).hasPrefix("line 2: a string")
        )
    }

    @Test("is that of a list that lies deeper than the decoder reads")
    func depth() {
        struct Anything: Decodable { init(from decoder: any Decoder) {} }
        for depth in [1, 511, 512, 513, 514, 100_000] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let isRead = (try? JSONDecoder().decode(Anything.self, from: Data(text.utf8))) != nil
            #expect(isRead == (JSONMistake.line(in: Array(text.utf8)) == nil), "\(depth)")
            #expect(isRead || JSONMistake.description(of: Array(text.utf8)).contains("in each other"), "\(depth)")
        }
    }

    @Test(
        "is that of a key that its object already has",
        arguments: [
            ("{\"a\": 1,\n\"a\": 2}", "line 2: the key \"a\""), ("\u{feff}{\"a\": 1, \"a\": 2}", "line 1:"),
            ("{\"b\": [{\"a\": 1},\n{\"a\": 1,\n\"b\": 1,\n\"a\": {}}]}", "line 4: the key \"a\""),
            ("{\"a\": {\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}, \"b\": 1}, \"b\": 1}", nil), ("[]", nil), ("1", nil),
        ] as [(String, String?)])
    func repeated(text: String, words: String?) {
        let found = JSONMistake.repeatedKey(in: Array(text.utf8))
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
            #expect(isJSON || JSONMistake.line(in: Array(text.utf8)) != nil, "seed \(seed): \(text)")
        }
    }
}
