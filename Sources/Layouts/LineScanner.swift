public import PCI

/// A scanner that takes a line of text apart, byte by byte. The line may hold anything.
struct LineScanner {
    private(set) var rest: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) {
        rest = line
    }

    init(_ text: some StringProtocol) {
        rest = Array(text.utf8)[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    var first: UInt8? { rest.first }

    /// The rest of the line, as text for people.
    var text: String { String(decoding: rest, as: UTF8.self) }

    mutating func skipSpaces() {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// Skips `word` if the rest begins with it.
    ///
    /// - Returns: Whether `word` was skipped.
    mutating func skip(_ word: String) -> Bool {
        guard rest.starts(with: word.utf8) else { return false }
        rest = rest.dropFirst(word.utf8.count)
        return true
    }

    mutating func skipByte() {
        rest = rest.dropFirst()
    }

    mutating func skipBytes(while isSkipped: (UInt8) -> Bool) {
        rest = rest.drop(while: isSkipped)
    }

    /// Skips everything up to the end of the first `word`. If there is no `word`, skips nothing and returns false.
    mutating func skip(past word: String) -> Bool {
        let (word, head) = (word.utf8, word.utf8.first)
        guard let start = rest.indices.first(where: { rest[$0] == head && rest[$0...].starts(with: word) }) else {
            return false
        }
        rest = rest[start...].dropFirst(word.count)
        return true
    }

    /// Drops the part of the rest that `other` still has. `other` scans the same line, and is further on.
    mutating func keep(before other: LineScanner) {
        rest = rest[..<other.rest.startIndex]
    }

    func contains(_ word: String) -> Bool {
        var copy = self
        return copy.skip(past: word)
    }

    /// Reads a number. If there are no digits, or 64 bits cannot hold the number, skips nothing and returns nil.
    mutating func number(radix: Int = 10) -> UInt64? {
        let digits = rest.prefix { Self.isDigit($0, radix) }
        guard let value = UInt64(String(decoding: digits, as: UTF8.self), radix: radix) else { return nil }
        rest = rest[digits.endIndex...]
        return value
    }

    /// Reads the number that follows the first `word`.
    mutating func number(past word: String, radix: Int = 10) -> UInt64? {
        skip(past: word) ? number(radix: radix) : nil
    }

    /// Reads a hexadecimal number whose count of digits is in `digits`.
    mutating func hex(_ digits: ClosedRange<Int>) -> UInt64? {
        var copy = self
        guard let value = copy.number(radix: 16), digits.contains(rest.count - copy.rest.count) else { return nil }
        self = copy
        return value
    }

    /// Reads a hexadecimal number of the next `count` digits, whatever follows them.
    mutating func hex(_ count: Int) -> UInt64? {
        var digits = LineScanner(rest.prefix(count))
        guard let value = digits.hex(count...count) else { return nil }
        rest = rest.dropFirst(count)
        return value
    }

    private static func isDigit(_ byte: UInt8, _ radix: Int) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): radix == 16
        default: false
        }
    }

    /// Reads a number of bytes, such as `16M`. Each unit is 1024 times the unit before it.
    mutating func size(units: [String] = ["K", "M", "G", "T"]) -> UInt64? {
        guard let number = number() else { return nil }
        let unit = units.firstIndex { skip($0) } ?? -1
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << UInt64(10 * (unit + 1)))
        return overflow ? nil : bytes
    }

    /// Reads `01:00.0`, or with a domain of 4 to 8 digits `0000:01:00.0`.
    mutating func address() -> DomainAddress? {
        var copy = self
        let domain = copy.hex(4...8).flatMap { copy.skip(":") ? $0 : nil }
        if domain == nil { copy = self }
        guard let function = copy.function(2...2, 1...1) else { return nil }
        self = copy
        return DomainAddress(domain: UInt32(truncatingIfNeeded: domain ?? 0), function: function)
    }

    /// Reads an address, alone or after the bridges that lead to it. `lspci -PP` writes `0000:00:01.0/01:00.0`. `lspci -P`
    /// leaves buses out: `00:01.0/00.0`.
    ///
    /// - Parameter secondaryBus: Returns the bus behind the bridge at an address.
    mutating func slot(behind secondaryBus: (DomainAddress) -> UInt8? = { _ in nil }) -> DomainAddress? {
        var copy = self
        guard var address = copy.address() else { return nil }
        while copy.skip("/") {
            var whole = copy
            var function = whole.function(2...2, 1...1)
            if function != nil {
                copy = whole
            } else if let device = copy.hex(2...2), copy.skip("."), let number = copy.hex(1...1) {
                function = secondaryBus(address).flatMap {
                    FunctionAddress(
                        bus: $0, device: UInt8(truncatingIfNeeded: device), function: UInt8(truncatingIfNeeded: number))
                }
            }
            guard let function else { return nil }
            address = DomainAddress(domain: address.domain, function: function)
        }
        self = copy
        return address
    }

    /// Reads `01:00.0`. Bus and device must have `long` digits each, and the function must have `short` digits.
    mutating func function(_ long: ClosedRange<Int>, _ short: ClosedRange<Int>) -> FunctionAddress? {
        guard let bus = hex(long), skip(":"), let device = hex(long), skip("."), let function = hex(short) else {
            return nil
        }
        return FunctionAddress(
            bus: UInt8(truncatingIfNeeded: bus), device: UInt8(truncatingIfNeeded: device),
            function: UInt8(truncatingIfNeeded: function))
    }
}

extension UInt64 {
    /// Reads the number that a text means: `4096`, `0x1000`, or `4K`, `16M`, `2G`, `1T` in powers of 1024. Letters may be small
    /// or capital.
    public init?(quantity text: String) {
        var scanner = LineScanner(text.lowercased())
        let number = scanner.skip("0x") ? scanner.number(radix: 16) : scanner.size(units: ["k", "m", "g", "t"])
        guard let number, scanner.isAtEnd else { return nil }
        self = number
    }
}

extension DomainAddress {
    /// Reads `01:00.0` and `0000:01:00.0`.
    public init?(text: String) {
        var scanner = LineScanner(text)
        guard let address = scanner.address(), scanner.isAtEnd else { return nil }
        self = address
    }
}

extension FunctionAddress {
    /// Reads `00:04.0`, also without leading zeros.
    public init?(text: String) {
        var scanner = LineScanner(text)
        guard let address = scanner.function(1...2, 1...2), scanner.isAtEnd else { return nil }
        self = address
    }
}
