import Memslots
import PCI

/// Reads what `lspci -vvv` and `lspci -xxx` or `-xxxx` print, also both at once.
///
/// `-vvv` tells all. A hex dump holds no sizes: they have to come from elsewhere.
public struct LspciReader {
    private var dump = Dump()
    /// The number of the line that is read, counted from 1.
    private var number = 0
    /// The function whose lines are read.
    var function: DumpedFunction?
    var state = State()
    /// Whether a warning has told of lines without a function since the last function.
    private var hasWarnedOfOrphans = false

    /// How far the text of a function has come.
    struct State {
        enum Capability {
            case msix, virtualFunctions, other
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
        var lastLine = LineScanner([])
    }

    /// Everything in `text`, which may be anything at all.
    public static func read(_ text: [UInt8]) -> Dump {
        var reader = LspciReader()
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            reader.number += 1
            reader.take(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        }
        if let last = text.last, last != UInt8(ascii: "\n") { reader.checkEnd() }
        reader.finish()
        return reader.dump
    }

    private mutating func take(_ line: ArraySlice<UInt8>) {
        var scanner = LineScanner(line)
        scanner.skipSpaces()
        guard let first = scanner.first else { return }
        guard scanner.rest.startIndex == line.startIndex else {
            if function != nil {
                state.lastLine = scanner
                takeDetail(scanner)
            } else if "RECVPMI".utf8.contains(first) {
                warnOfOrphan()
            }
            return
        }
        var (header, row) = (scanner, scanner)
        if let address = header.address(), header.skip(" ") {
            finish()
            begin(address, header)
        } else if let offset = row.number(radix: 16), row.skip(": ") {
            takeHex(row, at: offset)
        } else {
            finish()
            warnOfOrphan("this is neither a PCI address nor indented as what belongs to one")
        }
    }

    private mutating func warnOfOrphan(_ text: String = "lines here belong to no function") {
        if !hasWarnedOfOrphans { dump.warn(text + ": skipped up to the next function", line: number) }
        hasWarnedOfOrphans = true
    }

    /// Notes why the function cannot be counted, with the line that is read.
    mutating func problem(_ text: String) {
        function?.problem(text, line: number)
    }

    // MARK: Functions

    private mutating func begin(_ address: DomainAddress, _ header: LineScanner) {
        var header = header
        header.skipSpaces()
        var new = DumpedFunction(address: address, line: number)
        new.name = header.text
        let parts = new.name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.dropFirst().first?.drop { $0 == " " } ?? ""
        new.isBridge = ["bridge", "Bridge"].contains(where: LineScanner(parts[0]).contains)
        // With -n and -nn there are numbers: `Ethernet controller [0200]: ... [8086:1572]`, or `0200: 8086:1572`.
        let code = Self.bracketed(parts[0]) ?? parts[0]
        if code.count == 4, let value = UInt32(code, radix: 16) {
            new.classCode = value << 8
            new.isBridge = new.isBridge || value >> 8 == 6
        }
        let ids = (Self.bracketed(rest) ?? rest.prefix { $0 != " " }).split(separator: ":")
        if ids.count == 2, ids.allSatisfy({ $0.count == 4 }) {
            new.vendorID = UInt16(ids[0], radix: 16)
            new.deviceID = UInt16(ids[1], radix: 16)
        }
        function = new
        state = State()
        hasWarnedOfOrphans = false
    }

    /// What the last pair of brackets holds.
    private static func bracketed(_ text: Substring) -> Substring? {
        guard let end = text.lastIndex(of: "]"), let start = text[..<end].lastIndex(of: "[") else { return nil }
        return text[start..<end].dropFirst()
    }

    /// A function whose text ends where the file does, within a line.
    private mutating func checkEnd() {
        if state.config.isEmpty,
            !["Kernel modules: ", "Kernel driver in use: "].contains(where: state.lastLine.contains)
        {
            problem("the dump ends within it")
        }
    }

    private mutating func finish() {
        guard var function else { return }
        self.function = nil
        let config = ConfigDump(state.config)
        if ![0, 64, 128, 256, 4096].contains(config.bytes.count) {
            function.problem("its configuration space is cut short")
        }
        if state.hasText {
            if !config.bytes.isEmpty { function.take(identityOf: config) }
            if !function.isBridge { completeText(&function, config) }
        } else if !config.bytes.isEmpty {
            function.take(config)
        } else if !function.isBridge {
            function.problem("its regions are not in the dump: use lspci -vvv")
        }
        dump.append(function)
    }

    /// What only the end of a function tells.
    private func completeText(_ function: inout DumpedFunction, _ config: ConfigDump) {
        if let vectors = state.vectors {
            if let table = state.table, let pendingBits = state.pendingBits {
                function.msix = MSIXDescription(vectors: vectors, table: table, pendingBits: pendingBits)
            } else {
                function.problem("its MSI-X capability lacks the table or the PBA")
            }
        }
        guard state.saysCapabilities, state.capability == nil else { return }
        if !config.lacksCapabilities {
            function.take(capabilitiesOf: config)
        } else if state.hidesCapabilities {
            function.hidesCapabilities = true
        } else {
            function.problem("its capabilities are missing: is the dump cut short?")
        }
    }

    // MARK: Hex dumps

    private mutating func takeHex(_ row: LineScanner, at offset: UInt64) {
        guard function != nil else { return warnOfOrphan() }
        guard !state.isConfigBroken else { return }
        var row = row
        var bytes: [UInt8] = []
        row.skipSpaces()
        while let byte = row.hex(2...2) {
            bytes.append(UInt8(truncatingIfNeeded: byte))
            row.skipSpaces()
        }
        guard offset == UInt64(state.config.count), bytes.count == 16, row.isAtEnd else {
            state.isConfigBroken = true
            return problem(
                "16 bytes of configuration space from \(hexadecimal(UInt64(state.config.count))) on are missing")
        }
        if state.config.count < 4096 { state.config += bytes }
    }
}
