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
}
