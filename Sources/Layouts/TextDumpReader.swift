import Memslots
import PCI

/// A reader of dumps that are text, in the state in which people post them: the output of `lspci -vvv` and of `lspci -xxx` or
/// `-xxxx`, also both at once, and the kernel's log of PCI functions.
///
/// The reader knows a line by its words, not by its indentation. A line without known words ends nothing. If one function has
/// several descriptions, the fullest counts.
public struct TextDumpReader {
    var dump = Dump()
    private var log = KernelLog()
    /// The number of the present line, counted from 1.
    private(set) var number = 0
    /// The function whose lines are being read.
    var function: DumpedFunction?
    var state = State()
    /// The bus behind each bridge, for paths that leave buses out.
    var secondaryBuses: [DomainAddress: UInt8] = [:]
    /// Whether a warning has told of lines without a function since the last function.
    private var hasWarnedOfOrphans = false

    /// The state of reading the text of one function.
    struct State {
        enum Capability {
            case msix, virtualFunctions, resizable, other
        }

        /// The columns before the function's first line.
        var indent = 0
        /// The columns before the first line of the last capability.
        var capabilityIndent = 0
        /// Whether all lines have lost their indentation. Nil before the first line.
        var isFlat: Bool?
        var capability: Capability?
        /// Whether the last line was the first line of a capability that has more lines.
        var isAtCapability = false
        var config: [UInt8] = []
        /// The reason why the rows of the hex dump are of no use.
        var configProblem: DumpWarning.Reason?
        var hasControl = false
        var hasDriver = false
        var saysCapabilities = false
        var isAsleep = false
        /// The reason why regions may be missing.
        var regionGap: DumpWarning.Reason?
        /// The reason why capabilities may be missing.
        var capabilityGap: String?
        /// The first line without known words, until a warning has told of it.
        var foreign: DumpWarning.Reason?
        var hasWarnedOfForeign = false
        /// The number of the last line without known words.
        var lastForeignLine = -1
        var vectors: Int?
        var table: BARLocation?
        var pendingBits: BARLocation?
    }

    /// Reads everything in `text`, which may be anything at all.
    public static func read(_ text: [UInt8]) -> Dump {
        var reader = TextDumpReader()
        var last: TextLine?
        let text = TextLine.decoded(text)
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let next = TextLine(line)
            if last.map(next.continues) == true {
                last?.append(next)
                reader.number += 1
                continue
            }
            if let last { reader.take(last) }
            reader.number += 1
            last = next
        }
        if let last { reader.take(last) }
        if let last, text.last != UInt8(ascii: "\n") { reader.checkEnd(last) }
        reader.finish()
        reader.log.functions.forEach { reader.dump.append($0) }
        return reader.dump
    }

    private mutating func take(_ line: TextLine) {
        let scanner = LineScanner(line.text)
        guard !scanner.isAtEnd else { return }
        var header = scanner
        // Skips marks of lists and of bold type.
        header.skipBytes { "*-".utf8.contains($0) }
        header.skipSpaces()
        if let address = header.slot(behind: { secondaryBuses[$0] }), header.skip(" ") {
            finish()
            begin(address, header, indent: line.indent)
        } else if let row = HexRow(scanner) {
            takeHex(row)
        } else if !log.take(scanner, line: number) {
            takeText(line)
        }
    }

    private mutating func takeText(_ line: TextLine) {
        let found = Self.labels.first { line.text.starts(with: $0.key.utf8) }
        guard function != nil else {
            if found?.value.isOfRegisters == true { return warnOfOrphan() }
            if line.isElision { log.noteElision(line: number) }
            if let form = Self.form(of: line) { dump.noteForm(form) }
            return
        }
        let isOutside = line.indent <= state.indent
        if state.isFlat == nil { state.isFlat = found != nil && isOutside }
        var rest = LineScanner(line.text)
        let wasCapability = state.isAtCapability
        state.isAtCapability = false
        if let found, rest.skip(found.key) {
            warnOfForeign()
            take(found.value, rest, line)
        } else if line.isElision {
            noteElision(line)
        } else if isOutside, state.isFlat == false, !line.isOfFlags {
            // The line is not one of lspci's, so it is not the line that follows the first line of a capability.
            state.isAtCapability = wasCapability
            checkForeign(rest)
            state.foreign = state.foreign ?? DumpWarning.Reason(line: number, text: rest.excerpt)
            state.lastForeignLine = number
        } else {
            checkStray(LineScanner(line.text))
        }
    }

    private mutating func warnOfOrphan(_ text: String = "lines here belong to no function") {
        if !hasWarnedOfOrphans { dump.warn(text + ": skipped up to the next function", line: number) }
        hasWarnedOfOrphans = true
    }

    /// Warns of a line that lspci did not print. This happens only once more lines of the function have followed it.
    private mutating func warnOfForeign() {
        guard let foreign = state.foreign, !state.hasWarnedOfForeign, let function else { return }
        state.hasWarnedOfForeign = true
        dump.warn(
            "\(foreign.text) is not what lspci prints: it is skipped, and the lines after it count as this function's",
            line: foreign.line, function: function.address)
    }

    /// Notes a reason why the function cannot be counted, with the number of the present line.
    mutating func problem(_ text: String) {
        function?.problem(text, line: number)
    }

    // MARK: Functions

    /// Handles a line which shows that another function has begun, although the line with its address is missing.
    ///
    /// If a line without known words may be what is left of the missing line, the function that is being read ends, and is
    /// complete. Otherwise nobody knows where it ended, so it cannot be counted.
    mutating func beginWithoutAddress() {
        let text = "a function begins here without its address"
        // The line with the name, and similar ones, may stand between the missing line and this one.
        guard number - state.lastForeignLine <= 5, state.lastForeignLine >= 0 else { return problem(text) }
        finish()
        warnOfOrphan(text)
    }

    private mutating func begin(_ address: DomainAddress, _ header: LineScanner, indent: Int) {
        function = DumpedFunction(address: address, line: number, header: header)
        state = State()
        state.indent = indent
        state.isAsleep = header.contains("(rev ff)")
        hasWarnedOfOrphans = false
    }

    /// Checks a function that ends in the middle of the last line of the file. If it ends among capabilities other than MSI-X,
    /// only these are lost.
    private mutating func checkEnd(_ last: TextLine) {
        // A hex dump shows by itself that it is cut off, and the line that names the driver comes last. A line that had only
        // marks has no text left. An MSI-X offset has eight digits at most, so that with all of them the line is complete.
        guard state.config.isEmpty, !state.hasDriver, !last.text.isEmpty || last.indent > state.indent else { return }
        let digits = last.text.reversed().prefix { $0 != UInt8(ascii: "=") }.count
        if state.capability == .msix, state.pendingBits != nil, digits == 8 { return }
        if state.capability == nil || state.capability == .msix {
            problem("the dump ends within it")
        } else {
            state.capabilityGap = "the dump ends within its capabilities, and only those before count"
        }
    }

    mutating func finish() {
        guard var function else { return }
        self.function = nil
        let config = ConfigDump(state.config)
        if ![0, 64, 128, 256, 4096].contains(config.bytes.count), state.configProblem == nil {
            let text = "its configuration space is cut short"
            state.configProblem = DumpWarning.Reason(line: function.line, text: text)
        }
        // `(rev ff)` may be a real revision, but lspci does not print the command register of a function that is asleep.
        state.isAsleep = (state.isAsleep || config.isAllOnes) && !state.hasControl
        let hasText = !function.regions.isEmpty || state.hasControl || state.capability != nil
        function.hasRegisters = state.hasControl || !function.regions.isEmpty
        if let problem = state.configProblem {
            // If there are lines of text besides the hex dump, these alone tell enough.
            if !hasText { function.problem(problem.text, line: problem.line) }
        } else if !config.bytes.isEmpty, !config.isAllOnes {
            if hasText { function.take(identityOf: config) } else { function.take(config) }
            function.hasRegisters = true
        }
        if !function.isBridge {
            complete(&function, hasText ? state.configProblem == nil ? config : ConfigDump([]) : nil)
        }
        dump.append(function)
    }

    /// Adds the facts that are known only at the end of a function.
    ///
    /// - Parameter config: The configuration space that may tell capabilities. Nil if it is not to be asked.
    private func complete(_ function: inout DumpedFunction, _ config: ConfigDump?) {
        if state.isAsleep {
            function.capabilityGap =
                "it answered with all ones, asleep or gone, and its capabilities could not be read, so that it is counted without "
                + "MSI-X"
        }
        if let gap = state.regionGap { function.problem(gap.text, line: gap.line) }
        guard function.hasRegisters else {
            return function.problem(
                state.isAsleep
                    ? "it answered with all ones (rev ff), asleep or gone, and its regions are not in the dump"
                    : "the dump has no register lines of it, as this form of lspci has no BARs: use lspci -vvv")
        }
        if let vectors = state.vectors {
            if let table = state.table, let pendingBits = state.pendingBits {
                function.msix = MSIXDescription(vectors: vectors, table: table, pendingBits: pendingBits)
            } else {
                function.problem("its MSI-X capability lacks the table or the PBA")
            }
        }
        if state.isAtCapability, state.hasControl, state.capabilityGap == nil {
            function.capabilityGap = "its text ends within its capabilities, and only those before count"
        }
        if let gap = state.capabilityGap { function.capabilityGap = gap }
        guard let config, state.capability == nil, !state.isAsleep else { return }
        if !config.lacksCapabilities {
            function.take(capabilitiesOf: config)
        } else if state.saysCapabilities, function.capabilityGap == nil {
            if state.hasDriver {
                function.capabilityGap = "its capabilities are not in the dump, so that it is counted without MSI-X"
            } else {
                function.problem("its capabilities are missing: is the dump cut short?")
            }
        }
    }

    // MARK: Hex dumps

    private mutating func takeHex(_ row: HexRow) {
        guard function != nil else { return warnOfOrphan() }
        guard state.configProblem == nil else { return }
        warnOfForeign()
        guard row.offset == UInt64(state.config.count), row.bytes.count == 16, row.isWhole else {
            let text = "16 bytes of configuration space from \(hexadecimal(UInt64(state.config.count))) on are missing"
            state.configProblem = DumpWarning.Reason(line: number, text: text)
            return
        }
        if state.config.count < 4096 { state.config += row.bytes }
    }
}

/// A line of a hex dump, such as `10: 04 00 c0 fe ...`.
private struct HexRow {
    let offset: UInt64
    var bytes: [UInt8] = []
    /// Whether the line has nothing but bytes.
    let isWhole: Bool

    init?(_ line: LineScanner) {
        var scanner = line
        guard let offset = scanner.hex(2...3), offset % 16 == 0, scanner.skip(":") else { return nil }
        scanner.skipSpaces()
        while let byte = scanner.hex(2...2) {
            bytes.append(UInt8(truncatingIfNeeded: byte))
            scanner.skipSpaces()
        }
        guard !bytes.isEmpty else { return nil }
        self.offset = offset
        isWhole = scanner.isAtEnd
    }
}
