/// A line of a dump, without the additions of terminals, browsers, mail programs and editors.
struct TextLine {
    /// The columns before the text. A tab goes to the next multiple of 8.
    private(set) var indent = 0
    /// The text without the additions, and without spaces before it.
    private(set) var text: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) {
        text = Self.isPlain(line) ? line : Self.cleaned(line)[...]
        // Removes the marks of quoted lines in mails, and of code in Markdown.
        while let start = text.firstIndex(where: { !Self.isSpace($0) }), ">`".utf8.contains(text[start]) {
            let isQuote = text[start] == UInt8(ascii: ">")
            text = text[(start + 1)...]
            if isQuote, text.first == UInt8(ascii: " ") { text.removeFirst() }
        }
        while let byte = text.first, Self.isSpace(byte) {
            indent = byte == UInt8(ascii: "\t") ? (indent / 8 + 1) * 8 : indent + 1
            text.removeFirst()
        }
        while let byte = text.last, Self.isSpace(byte) || byte == UInt8(ascii: "`") { text.removeLast() }
    }

    /// Appends the rest of the line, which a mail program has cut off.
    mutating func append(_ other: TextLine) {
        text = (text + [UInt8(ascii: " ")] + other.text)[...]
    }

    /// Whether somebody left out lines here, and marked it with `...` or `[snip]`.
    var isElision: Bool {
        let words = ["snip", "omitted", "truncated", "removed"]
        let marks = text.drop { "[<({-*~ ".utf8.contains($0) }
        // grep puts `--` between the parts that it has found. The kernel tells when its buffer was too small.
        return text.elementsEqual("--".utf8) || LineScanner(text).contains("printk messages dropped")
            || text.count < 40 && (marks.starts(with: "..".utf8) || marks.starts(with: "…".utf8))
            || text.count < 32 && words.contains { LineScanner(text).contains($0) }
    }

    /// Whether the line begins with a flag as lspci prints them, `SERR-` or `<PERR-`. Such a line is the rest of a line that a
    /// mail program has cut off.
    var isOfFlags: Bool {
        let word = text.prefix { $0 != UInt8(ascii: " ") }
        return word.count > 2 && "+-".utf8.contains(word[word.endIndex - 1])
            && word.dropLast().allSatisfy { $0 > UInt8(ascii: "/") && $0 <= UInt8(ascii: "z") }
    }

    /// Whether this line continues the line before it, which a mail program has cut off after an address or a name.
    func continues(_ line: TextLine) -> Bool {
        let (here, before) = (LineScanner(text), LineScanner(line.text))
        func begins(_ words: String...) -> Bool { words.contains { text.starts(with: $0.utf8) } }
        if ["Memory at", "I/O ports at", "ROM at"].contains(where: before.contains) {
            guard !here.contains(" at ") else { return false }
            return begins(
                "[size=", "[virtual", "[disabled", "[enhanced", "prefetchable)", "non-prefetchable)", "(64-b", "(32-b")
        }
        // A range in the kernel's log may be cut off.
        for range in ["[mem 0x", "[io  0x"] {
            var rest = before
            guard rest.skip(past: range) else { continue }
            return !rest.contains("]") && here.contains("]") && !here.contains("[")
        }
        var header = before
        guard header.slot() != nil, header.skip(" ") else { return false }
        var address = here
        return indent <= line.indent && address.slot() == nil
            && (["(rev ", "(prog-if "].contains(where: here.contains) || text.last.map(")]".utf8.contains) == true)
    }

    // MARK: Bytes

    /// Returns a text as UTF-8, whatever its encoding was. Undoes the encoding of equals signs and long lines in mails (RFC
    /// 2045, 6.7).
    static func decoded(_ text: [UInt8]) -> [UInt8] {
        if let mark = [[0xff, 0xfe], [0xfe, 0xff]].firstIndex(where: text.starts(with:)) {
            let (low, high) = (mark, 1 - mark)
            let units = stride(from: 2, to: text.count - 1, by: 2).map {
                UInt16(text[$0 + low]) | UInt16(text[$0 + high]) << 8
            }
            return Array(String(decoding: units, as: UTF16.self).utf8)
        }
        guard LineScanner(text[...]).contains("[size=3D") else { return text }
        var rest = LineScanner(text[...])
        var decoded: [UInt8] = []
        while let byte = rest.first {
            rest.skipByte()
            guard byte == UInt8(ascii: "=") else {
                decoded.append(byte)
                continue
            }
            if rest.skip("\n") || rest.skip("\r\n") { continue }
            decoded.append(rest.hex(2).map { UInt8(truncatingIfNeeded: $0) } ?? byte)
        }
        return decoded
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isPlain(_ line: ArraySlice<UInt8>) -> Bool {
        !line.contains { $0 == 0x1b || $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "\r") || $0 == 0 || $0 >= 0x80 }
            && !marks.contains { LineScanner(line).contains($0.mark) }
    }

    /// Marks that stand for another text or for nothing. A longer mark comes before the marks with which it begins.
    private static let marks: [(mark: String, meaning: String)] = [
        ("<pre>", ""), ("</pre>", ""), ("<code>", ""), ("</code>", ""), ("<br>", ""), ("<br/>", ""), ("<br />", ""),
        ("[code]", ""), ("[/code]", ""), ("[CODE]", ""), ("[/CODE]", ""), ("{code}", ""), ("{noformat}", ""),
    ]

    private static let characters: [(mark: String, meaning: String)] =
        [
            ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&quot;", "\""), ("&nbsp;", " "), ("&#160;", " "),
            ("&#39;", "'"),
            ("\u{a0}", " "), ("\u{202f}", " "), ("\u{2003}", " "), ("\u{2002}", " "), ("\u{feff}", ""),
            ("\u{200b}", ""),
            ("\r", ""), ("\0", ""),
        ] + marks

    private static func cleaned(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var rest = LineScanner(line)
        var text: [UInt8] = []
        while let byte = rest.first {
            if byte == 0x1b {
                rest.skipControlSequence()
            } else if byte >= 0x80 || "&<[{\r\0".utf8.contains(byte),
                let known = characters.first(where: { rest.skip($0.mark) })
            {
                text += known.meaning.utf8
            } else {
                text.append(byte)
                rest.skipByte()
            }
        }
        return text
    }
}

extension LineScanner {
    /// Skips a command to a terminal: colours and the like (ECMA-48, 5.4), titles, and character sets.
    fileprivate mutating func skipControlSequence() {
        skipByte()
        if skip("[") {
            skipBytes { !(0x40...0x7e).contains($0) }
            skipByte()
        } else if skip("]") {
            skipBytes { $0 != 0x07 && $0 != 0x1b }
            skipByte()
        } else if skip("(") {
            skipByte()
        }
    }
}
