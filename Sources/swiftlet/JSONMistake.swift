import FoundationEssentials

/// A reader that finds the line in which a text stops being JSON (RFC 8259), or repeats a key of an object. The decoder does not
/// give the line, and takes one of the values of a repeated key.
struct JSONMistake {
    private enum Expected { case value, firstValue, key, firstKey, colon, separator, end }

    private var rest: ArraySlice<UInt8>
    /// Whether to look into strings and numbers too.
    private let looksInside: Bool
    private var open: [UInt8] = []
    /// For each open list and object, the keys until now. A list has none.
    private var keys: [Set<ArraySlice<UInt8>>] = []
    private var expected = Expected.value
    /// The mistake in words, if more can be said than that the text is no JSON.
    private var words: String?

    /// The most lists and objects in each other that the decoder reads.
    private static let deepest = 512

    private init(_ bytes: [UInt8], looksInside: Bool) {
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        (rest, self.looksInside) = (bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0), looksInside)
        while takeToken() {}
    }

    /// Returns the line of the first mistake, counted from 1, or nil if none is found.
    static func line(in bytes: [UInt8]) -> Int? {
        let reader = JSONMistake(bytes, looksInside: true)
        return reader.rest.isEmpty && reader.expected == .end ? nil : reader.line(in: bytes)
    }

    /// Returns what is wrong with a text that the decoder refuses, in words.
    static func description(of bytes: [UInt8]) -> String {
        let reader = JSONMistake(bytes, looksInside: true)
        if let words = reader.words { return "line \(reader.line(in: bytes)): \(words)" }
        return reader.rest.isEmpty && reader.expected == .end
            ? "a number in it is not whole, or is too large, where it may not be"
            : "not valid JSON: see line \(reader.line(in: bytes))"
    }

    /// Returns the line of the first key that its object already has, in words, or nil if no key is repeated.
    static func repeatedKey(in bytes: [UInt8]) -> String? {
        let reader = JSONMistake(bytes, looksInside: false)
        return reader.words.map { "line \(reader.line(in: bytes)): \($0)" }
    }

    private func line(in bytes: [UInt8]) -> Int { 1 + bytes[..<rest.startIndex].count { $0 == UInt8(ascii: "\n") } }

    /// Reads the next token. Returns false at the end of the text, and if the token cannot stand there.
    private mutating func takeToken() -> Bool {
        rest = rest.drop { " \t\r\n".utf8.contains($0) }
        guard let byte = rest.first.map({ Character(Unicode.Scalar($0)) }) else { return false }
        switch (expected, byte) {
        case (.firstValue, "]"), (.firstKey, "}"): return close()
        case (.separator, "]"), (.separator, "}"): return open.last == rest.first && close()
        case (.separator, ","): expected = open.last == UInt8(ascii: "}") ? .key : .value
        case (.colon, ":"): expected = .value
        case (.key, "\""), (.firstKey, "\""):
            expected = .colon
            let text = rest
            guard takeString() else { return false }
            let key = text[..<rest.startIndex]
            guard keys[keys.count - 1].insert(key).inserted else {
                (rest, words) = (text, "the key \(String(decoding: key, as: UTF8.self)) is there twice in one object")
                return false
            }
            return true
        case (.value, "{"), (.firstValue, "{"):
            guard enter(UInt8(ascii: "}")) else { return false }
            expected = .firstKey
        case (.value, "["), (.firstValue, "["):
            guard enter(UInt8(ascii: "]")) else { return false }
            expected = .firstValue
        case (.value, "\""), (.firstValue, "\""): return takeString() && endValue()
        case (.value, _), (.firstValue, _): return takeWord() && endValue()
        default: return false
        }
        rest.removeFirst()
        return true
    }

    private mutating func enter(_ end: UInt8) -> Bool {
        guard open.count < Self.deepest else {
            words = "more than \(Self.deepest) lists and objects in each other"
            return false
        }
        open.append(end)
        keys.append([])
        return true
    }

    private mutating func close() -> Bool {
        open.removeLast()
        keys.removeLast()
        rest.removeFirst()
        return endValue()
    }

    private mutating func endValue() -> Bool {
        expected = open.isEmpty ? .end : .separator
        return true
    }

    private mutating func takeString() -> Bool {
        var place = rest.startIndex + 1
        while place < rest.endIndex, rest[place] >= 0x20 {
            if rest[place] == UInt8(ascii: "\"") {
                let text = rest[...place]
                // The decoder knows what an escape and a character may be.
                let isPlain = !looksInside || text.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "\\") }
                guard isPlain || (try? JSONDecoder().decode(String.self, from: Data(text))) != nil else {
                    words = "a string has an escape or bytes that mean no character"
                    return false
                }
                rest = rest[(place + 1)...]
                return true
            }
            place += rest[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        return false
    }

    /// Reads a number or `true`, `false` or `null`. Returns false for anything else.
    private mutating func takeWord() -> Bool {
        let word = rest.prefix { $0 > 0x20 && !",]}:\"".utf8.contains($0) }
        let text = String(decoding: word, as: UTF8.self)
        let isNumber = text.allSatisfy { "0123456789+-.eE".contains($0) } && Double(text) != nil
        if isNumber, looksInside, (try? JSONDecoder().decode(Double.self, from: Data(word))) == nil {
            words = "`\(text.prefix(40))` is no number of JSON, or none that can be read"
            return false
        }
        guard isNumber || ["true", "false", "null"].contains(text) else { return false }
        rest = rest[word.endIndex...]
        return true
    }
}
