public import PCI

/// Takes a line of text apart, byte by byte: it may hold anything.
struct LineScanner {
    private(set) var rest: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) {
        rest = line
    }

    var isAtEnd: Bool { rest.isEmpty }

    var first: UInt8? { rest.first }

    /// What is left, for people.
    var text: String {
        String(decoding: rest, as: UTF8.self)
    }

    mutating func skipSpaces() {
        rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    /// Skips `word`, if the rest begins with it.
    mutating func skip(_ word: String) -> Bool {
        guard rest.starts(with: word.utf8) else { return false }
        rest = rest.dropFirst(word.utf8.count)
        return true
    }

    /// Skips all up to and including the first `word`; false, and nothing skipped, where there is none.
    mutating func skip(past word: String) -> Bool {
        guard let head = word.utf8.first else { return true }
        var candidate = rest
        while let position = candidate.firstIndex(of: head) {
            candidate = candidate[position...]
            if candidate.starts(with: word.utf8) {
                rest = candidate.dropFirst(word.utf8.count)
                return true
            }
            candidate = candidate.dropFirst()
        }
        return false
    }

    func contains(_ word: String) -> Bool {
        var copy = self
        return copy.skip(past: word)
    }

    /// Digits of a number; nil, and nothing skipped, where there are none or more than 64 bits hold.
    mutating func number(radix: UInt64 = 10) -> UInt64? {
        var value: UInt64 = 0
        var position = rest.startIndex
        while position < rest.endIndex, let digit = Self.digit(rest[position]), digit < radix {
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard !overflow, !carry else { return nil }
            value = sum
            position += 1
        }
        guard position > rest.startIndex else { return nil }
        rest = rest[position...]
        return value
    }

    /// Exactly `count` hexadecimal digits.
    mutating func hex(_ count: Int) -> UInt64? {
        var copy = self
        guard let value = copy.number(radix: 16), rest.count - copy.rest.count == count else { return nil }
        self = copy
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}

extension LineScanner {
    /// `01:00.0`, or behind a domain of 4 to 8 digits `0000:01:00.0`.
    mutating func address() -> DomainAddress? {
        var copy = self
        var domain: UInt64 = 0
        for digits in 4...8 {
            var attempt = self
            if let value = attempt.hex(digits), attempt.skip(":") {
                domain = value
                copy = attempt
            }
        }
        guard let bus = copy.hex(2), copy.skip(":"), let device = copy.hex(2), copy.skip("."),
            let number = copy.hex(1),
            let function = FunctionAddress(
                bus: UInt8(truncatingIfNeeded: bus), device: UInt8(truncatingIfNeeded: device),
                function: UInt8(truncatingIfNeeded: number))
        else { return nil }
        self = copy
        return DomainAddress(domain: UInt32(truncatingIfNeeded: domain), function: function)
    }

    /// ` [size=16M]`, behind `[size=`: K, M, G and T are powers of 1024.
    mutating func size() -> UInt64? {
        guard let number = number() else { return nil }
        let units: [(String, UInt64)] = [("K", 10), ("M", 20), ("G", 30), ("T", 40), ("P", 50)]
        let shift = units.first { skip($0.0) }?.1 ?? 0
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow || bytes == 0 ? nil : bytes
    }
}

extension DomainAddress {
    /// Reads `01:00.0` and `0000:01:00.0`.
    public init?(text: String) {
        var scanner = LineScanner(Array(text.utf8)[...])
        guard let address = scanner.address(), scanner.isAtEnd else { return nil }
        self = address
    }
}
