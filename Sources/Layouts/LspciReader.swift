import PCI

/// Reads what `lspci -vvv` and `lspci -xxx` or `-xxxx` print, also both at once.
///
/// `-vvv` tells all. A hex dump holds no sizes: they have to come from elsewhere.
public struct LspciReader {
    private var dump = Dump()
    private var seen = Set<DomainAddress>()
    var current: DumpedFunction?
    var state = State()
    /// Whether lines without a function have been told of since the last one.
    private var hasWarnedOfOrphans = false

    /// How far the text of a function has come.
    struct State {
        enum Capability {
            case msix
            case virtualFunctions
            case other
        }

        var capability: Capability?
        var config: [UInt8] = []
        var isConfigBroken = false
        var hasText = false
        var hasControl = false
        var saysCapabilities = false
        var hidesCapabilities = false
        var vectors: Int?
        var table: BARLocation?
        var pendingBits: BARLocation?
        var lastLine: ArraySlice<UInt8> = []
    }

    private init() {}

    /// Everything in `text`, which may be anything at all.
    public static func read(_ text: [UInt8]) -> Dump {
        var reader = LspciReader()
        var number = 0
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            reader.take(line.last == UInt8(ascii: "\r") ? line.dropLast() : line, number)
        }
        if let last = text.last, last != UInt8(ascii: "\n") {
            reader.checkEnd(line: number)
        }
        reader.finish()
        return reader.dump
    }

    private mutating func take(_ line: ArraySlice<UInt8>, _ number: Int) {
        var scanner = LineScanner(line)
        scanner.skipSpaces()
        guard let first = scanner.first else { return }
        if scanner.rest.startIndex == line.startIndex {
            var header = scanner
            if let address = header.address(), header.first == UInt8(ascii: " ") {
                finish()
                begin(address, header, number)
                return
            }
            var row = scanner
            if let offset = row.number(radix: 16), row.skip(": ") {
                takeHex(row, at: offset, number)
                return
            }
            finish()
            warnOfOrphan("this is neither a PCI address nor indented as what belongs to one", number)
            return
        }
        guard current != nil else {
            if Self.firstLetters.contains(first) {
                warnOfOrphan("lines here belong to no function", number)
            }
            return
        }
        state.lastLine = scanner.rest
        takeDetail(scanner, number)
    }

    private static let firstLetters = Set("RECVPMI".utf8)

    private mutating func warnOfOrphan(_ text: String, _ number: Int) {
        if !hasWarnedOfOrphans {
            dump.warnings.append(DumpWarning(text + ": skipped up to the next function", line: number))
        }
        hasWarnedOfOrphans = true
    }

    // MARK: Functions

    private mutating func begin(_ address: DomainAddress, _ header: LineScanner, _ number: Int) {
        var function = DumpedFunction(address: address, line: number)
        var header = header
        header.skipSpaces()
        function.name = header.text
        let (kind, rest) = Self.split(function.name)
        function.isBridge = ["bridge", "Bridge"].contains { LineScanner(Array(kind.utf8)[...]).contains($0) }
        // With -n and -nn there are numbers: `Ethernet controller [0200]: ... [8086:1572]`, or `0200: 8086:1572`.
        let code = Self.bracketed(kind) ?? kind
        if code.count == 4, let value = UInt32(code, radix: 16) {
            function.classCode = value << 8
            function.isBridge = function.isBridge || value >> 8 == 6
        }
        let ids = (Self.bracketed(rest) ?? rest.prefix { $0 != " " }).split(separator: ":")
        if ids.count == 2, ids.allSatisfy({ $0.count == 4 }) {
            function.vendorID = UInt16(ids[0], radix: 16)
            function.deviceID = UInt16(ids[1], radix: 16)
        }
        current = function
        state = State()
        hasWarnedOfOrphans = false
    }

    private static func split(_ name: String) -> (kind: Substring, rest: Substring) {
        guard let colon = name.firstIndex(of: ":") else { return (name[...], "") }
        return (name[..<colon], name[colon...].dropFirst().drop { $0 == " " })
    }

    /// What the last pair of brackets with a colon, or with four digits, holds.
    private static func bracketed(_ text: Substring) -> Substring? {
        guard let end = text.lastIndex(of: "]"), let start = text[..<end].lastIndex(of: "[") else { return nil }
        return text[start..<end].dropFirst()
    }

    /// A function whose text ends where the file does, within a line.
    private mutating func checkEnd(line: Int) {
        let last = LineScanner(state.lastLine)
        guard state.config.isEmpty, !last.contains("Kernel modules: "), !last.contains("Kernel driver in use: ") else {
            return
        }
        current?.problem("the dump ends within it", line: line)
    }

    private mutating func finish() {
        guard var function = current else { return }
        current = nil
        let config = ConfigDump(state.config)
        if !state.isConfigBroken, ![0, 64, 128, 256, 4096].contains(config.bytes.count) {
            function.problem("its configuration space is cut short", line: function.line)
        }
        if !config.bytes.isEmpty {
            function.isBridge = config.isBridge ?? function.isBridge
            function.take(identityOf: config)
        }
        if !function.isBridge {
            if state.hasText {
                completeText(&function, config)
            } else if config.bytes.isEmpty {
                function.problem("its regions are not in the dump: use lspci -vvv", line: function.line)
            } else {
                function.take(config)
            }
        }
        dump.append(function, seen: &seen)
    }

    /// What only the end of a function tells.
    private func completeText(_ function: inout DumpedFunction, _ config: ConfigDump) {
        if let vectors = state.vectors {
            if let table = state.table, let pendingBits = state.pendingBits {
                function.msix = MSIXDescription(vectors: vectors, table: table, pendingBits: pendingBits)
            } else {
                function.problem("its MSI-X capability lacks the table or the PBA", line: function.line)
            }
        }
        guard state.saysCapabilities, state.capability == nil else { return }
        if !config.lacksCapabilities {
            function.take(capabilitiesOf: config)
        } else if state.hidesCapabilities {
            function.remark(DumpedFunction.hiddenCapabilities)
        } else {
            function.problem("its capabilities are missing: is the dump cut short?", line: function.line)
        }
    }

    // MARK: Hex dumps

    private mutating func takeHex(_ row: LineScanner, at offset: UInt64, _ number: Int) {
        guard current != nil else { return warnOfOrphan("lines here belong to no function", number) }
        guard !state.isConfigBroken else { return }
        var row = row
        var bytes: [UInt8] = []
        row.skipSpaces()
        while let byte = row.hex(2) {
            bytes.append(UInt8(truncatingIfNeeded: byte))
            row.skipSpaces()
        }
        guard offset == UInt64(state.config.count), bytes.count == 16, row.isAtEnd else {
            state.isConfigBroken = true
            let missing = String(state.config.count, radix: 16)
            current?.problem("16 bytes of configuration space from 0x\(missing) on are missing", line: number)
            return
        }
        if state.config.count < 4096 {
            state.config += bytes
        }
    }
}
