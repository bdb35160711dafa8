import FoundationEssentials

/// A reader that finds where a text stops being JSON (RFC 8259) or repeats a key of an object, and the line in which a value
/// stands. The decoder gives no lines, accepts a comma behind the last element, and takes one of the values of a repeated key.
struct JSONMistake {
    private let bytes: [UInt8]
    private var rest: ArraySlice<UInt8>
    /// The keys and the numbers of elements that lead to the present place.
    private var path: [String] = []
    /// The path of the value at which to stop.
    private var wanted: [String]?
    /// The mistake in words, if more can be said than that the text is no JSON.
    private var words: String?

    /// The most lists and objects in each other that the decoder reads.
    private static let deepest = 512

    private init(_ bytes: [UInt8], wanted: [String]? = nil) {
        (self.bytes, self.wanted) = (bytes, wanted)
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        rest = bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0)
        skipSpace()
    }

    /// Returns what is wrong with a text, and in which line, or nil if it is JSON and repeats no key.
    static func description(of bytes: [UInt8]) -> String? {
        var reader = JSONMistake(bytes)
        if reader.takeValue(), reader.rest.isEmpty { return nil }
        return reader.words.map { "line \(reader.line): \($0)" } ?? "not valid JSON: see line \(reader.line)"
    }

    /// Returns the line of the value to which keys and numbers of elements lead, counted from 1, or nil if there is none.
    static func line(of path: [String], in bytes: [UInt8]) -> Int? {
        var reader = JSONMistake(bytes, wanted: path)
        return !reader.takeValue() && reader.path == path ? reader.line : nil
    }

    private var line: Int { 1 + bytes[..<rest.startIndex].count { $0 == UInt8(ascii: "\n") } }

    private mutating func skipSpace() {
        rest = rest.drop { " \t\r\n".utf8.contains($0) }
    }

    /// Reads a character and the white space behind it. Returns false if another character comes next.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        skipSpace()
        return true
    }

    private mutating func takeValue() -> Bool {
        if path == wanted { return false }
        if take("{") {
            var keys: Set<String> = []
            return takeElements(until: "}") { $0.takeKey(notIn: &keys) && $0.take(":") && $0.takeValue() }
        }
        if take("[") {
            var number = 0
            return takeElements(until: "]") { reader in
                reader.path[reader.path.count - 1] = "\(number)"
                number += 1
                return reader.takeValue()
            }
        }
        return takeString() != nil || takeWord()
    }

    private mutating func takeElements(until end: Unicode.Scalar, _ takeElement: (inout Self) -> Bool) -> Bool {
        guard path.count < Self.deepest else {
            words = "more than \(Self.deepest) lists and objects in each other"
            return false
        }
        if take(end) { return true }
        path.append("")
        repeat {
            guard takeElement(&self) else { return false }
        } while take(",")
        path.removeLast()
        return take(end)
    }

    private mutating func takeKey(notIn keys: inout Set<String>) -> Bool {
        let place = rest
        guard let key = takeString() else { return false }
        path[path.count - 1] = key
        guard keys.insert(key).inserted else {
            (rest, words) = (place, "the key \"\(key.prefix(60))\" is there twice in one object")
            return false
        }
        return true
    }

    private mutating func takeString() -> String? {
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        var place = rest.startIndex + 1
        while place < rest.endIndex, rest[place] >= 0x20 {
            if rest[place] == UInt8(ascii: "\"") { return takeString(upTo: place) }
            place += rest[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        return nil
    }

    private mutating func takeString(upTo end: Int) -> String? {
        let text = rest[...end]
        // The decoder knows what an escape and a character may be.
        let isPlain = text.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "\\") }
        let string =
            isPlain
            ? String(decoding: text.dropFirst().dropLast(), as: UTF8.self)
            : try? JSONDecoder().decode(String.self, from: Data(text))
        if string == nil { words = "a string has an escape or bytes that mean no character" }
        guard let string else { return nil }
        rest = rest[(end + 1)...]
        skipSpace()
        return string
    }

    /// Reads a number or `true`, `false` or `null`. Returns false for anything else.
    private mutating func takeWord() -> Bool {
        let word = rest.prefix { $0 > 0x20 && !",]}:\"".utf8.contains($0) }
        // Most numbers are short and whole. They need no text.
        let isShort = (1..<16).contains(word.count) && (word.count == 1 || word.first != UInt8(ascii: "0"))
        let isWhole = isShort && word.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let text = isWhole ? "" : String(decoding: word, as: UTF8.self)
        guard isWhole || Self.isNumber(text) || ["true", "false", "null"].contains(text) else {
            let looksLikeNumber = text.first.map { "0123456789+-.".contains($0) } == true
            if looksLikeNumber { words = "`\(text.prefix(40))` is no number of JSON, or none that can be read" }
            return false
        }
        rest = rest[word.endIndex...]
        skipSpace()
        return true
    }

    private static func isNumber(_ text: String) -> Bool {
        guard text.allSatisfy({ "0123456789+-.eE".contains($0) }), Double(text)?.isFinite == true else { return false }
        func isDigit(_ character: Character?) -> Bool { character.map { "0123456789".contains($0) } == true }
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        let fraction = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first
        return isDigit(digits.first) && !(digits.hasPrefix("0") && isDigit(digits.dropFirst().first))
            && (fraction == nil || isDigit(fraction?.first))
    }
}
