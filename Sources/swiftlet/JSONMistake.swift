/// A reader that finds the line in which a text stops being JSON (RFC 8259), or in which a value stands. The decoder gives no
/// lines.
struct JSONMistake {
    private enum Expected { case value, firstValue, key, firstKey, colon, separator, end }

    private var rest: ArraySlice<UInt8>
    private var open: [UInt8] = []
    private var expected = Expected.value
    /// The keys and the numbers of elements that lead to the present place.
    private var path: [String] = []

    /// Returns the line of the first mistake, counted from 1, or nil if none is found.
    static func line(in bytes: [UInt8]) -> Int? {
        var reader = JSONMistake(rest: bytes[...])
        while reader.takeToken() {}
        let isWhole = reader.rest.isEmpty && reader.expected == .end
        return isWhole ? nil : reader.line(in: bytes)
    }

    /// Returns the line of the value to which keys and numbers of elements lead, counted from 1, or nil if there is none.
    static func line(of path: [String], in bytes: [UInt8]) -> Int? {
        var reader = JSONMistake(rest: bytes[...])
        repeat {
            reader.skipSpace()
            if reader.path == path, [.value, .firstValue].contains(reader.expected) { return reader.line(in: bytes) }
        } while reader.takeToken()
        return nil
    }

    private func line(in bytes: [UInt8]) -> Int { 1 + bytes[..<rest.startIndex].count { $0 == UInt8(ascii: "\n") } }

    private mutating func skipSpace() { rest = rest.drop { " \t\r\n".utf8.contains($0) } }

    /// Reads the next token. Returns false at the end of the text, and if the token cannot stand there.
    private mutating func takeToken() -> Bool {
        skipSpace()
        guard let byte = rest.first.map({ Character(Unicode.Scalar($0)) }) else { return false }
        switch (expected, byte) {
        case (.firstValue, "]"), (.firstKey, "}"): return close()
        case (.separator, "]"), (.separator, "}"): return open.last == rest.first && close()
        case (.separator, ","):
            expected = open.last == UInt8(ascii: "}") ? .key : .value
            if let number = path.popLast() { path.append(expected == .value ? "\((Int(number) ?? 0) + 1)" : number) }
        case (.colon, ":"): expected = .value
        case (.key, "\""), (.firstKey, "\""):
            expected = .colon
            let key = rest.dropFirst()
            guard takeString(), path.popLast() != nil else { return false }
            path.append(String(decoding: key[..<(rest.startIndex - 1)], as: UTF8.self))
            return true
        case (.value, "{"), (.firstValue, "{"):
            open.append(UInt8(ascii: "}"))
            (expected, path) = (.firstKey, path + [""])
        case (.value, "["), (.firstValue, "["):
            open.append(UInt8(ascii: "]"))
            (expected, path) = (.firstValue, path + ["0"])
        case (.value, "\""), (.firstValue, "\""): return takeString() && endValue()
        case (.value, _), (.firstValue, _): return takeWord() && endValue()
        default: return false
        }
        rest.removeFirst()
        return true
    }

    private mutating func close() -> Bool {
        open.removeLast()
        path.removeLast()
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
        guard isNumber || ["true", "false", "null"].contains(text) else { return false }
        rest = rest[word.endIndex...]
        return true
    }
}
