/// A reader that finds the line in which a text stops being JSON (RFC 8259). The decoder does not give the line, and it accepts a
/// comma behind the last element.
struct JSONMistake {
    private var rest: ArraySlice<UInt8>
    private var depth = 0

    /// The largest depth of lists and objects in each other, which is the decoder's.
    private static let deepest = 512

    /// Returns the line of the first mistake, counted from 1, or nil if none is found.
    static func line(in bytes: [UInt8]) -> Int? {
        var reader = JSONMistake(rest: bytes[...])
        reader.rest.trimPrefix([0xef, 0xbb, 0xbf])
        reader.skipSpace()
        let isWhole = reader.takeValue() && reader.rest.isEmpty
        return isWhole ? nil : 1 + bytes[..<reader.rest.startIndex].count { $0 == UInt8(ascii: "\n") }
    }

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
        if take("{") { return takeElements(until: "}") { $0.takeString() && $0.take(":") && $0.takeValue() } }
        if take("[") { return takeElements(until: "]") { $0.takeValue() } }
        return takeString() || takeWord()
    }

    private mutating func takeElements(until end: Unicode.Scalar, _ takeElement: (inout Self) -> Bool) -> Bool {
        if take(end) { return true }
        depth += 1
        repeat {
            guard depth <= Self.deepest, takeElement(&self) else { return false }
        } while take(",")
        depth -= 1
        return take(end)
    }

    private mutating func takeString() -> Bool {
        guard rest.first == UInt8(ascii: "\"") else { return false }
        var place = rest.startIndex + 1
        while place < rest.endIndex, rest[place] >= 0x20 {
            if rest[place] == UInt8(ascii: "\"") {
                rest = rest[(place + 1)...]
                skipSpace()
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
        guard isNumber || ["true", "false", "null"].contains(text) else { return false }
        rest = rest[word.endIndex...]
        skipSpace()
        return true
    }
}
