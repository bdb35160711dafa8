public import PCI

/// A layout as a JSON file has it; `docs/layouts.md` describes the keys.
///
/// Numbers may be JSON numbers or strings: `4096`, `"4K"`, `"0x1000"`.
public struct LayoutFile: Codable, Hashable, Sendable {
    public var name: String
    public var functions: [Function]

    /// One function, or several alike at addresses one after the other.
    public struct Function: Codable, Hashable, Sendable {
        /// Bus, device, function: `00:04.0`.
        public var at: String
        public var `repeat`: Int?
        public var vendor: Number?
        public var device: Number?
        public var `class`: Number?
        public var bars: [BAR]?
        public var rom: Number?
        /// Vectors of MSI.
        public var msi: Int?
        public var msix: MSIX?
        public var doorbell: Location?
    }

    public struct BAR: Codable, Hashable, Sendable {
        public var bar: Int
        public var kind: BARDescription.Kind
        public var size: Number
        public var prefetchable: Bool?
        public var registers: [Registers]?
    }

    /// A part of a BAR that is trapped.
    public struct Registers: Codable, Hashable, Sendable {
        public var offset: Number
        public var size: Number
    }

    public struct MSIX: Codable, Hashable, Sendable {
        public var vectors: Int
        public var table: Location
        public var pendingBits: Location
    }

    public struct Location: Codable, Hashable, Sendable {
        public var bar: Int
        public var offset: Number
    }

    /// A number, or a string that means one.
    public struct Number: Codable, Hashable, Sendable {
        public var value: UInt64

        public init(_ value: UInt64) {
            self.value = value
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(UInt64.self) {
                value = number
                return
            }
            let text = try container.decode(String.self)
            guard let number = Self.parse(text) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "`\(text)` is not a number such as 4096, 4K, 16M or 0x1000")
            }
            value = number
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(value)
        }

        /// The number that a text means: `4096`, `0x1000`, or `4K`, `16M`, `2G`, `1T` in powers of 1024.
        public static func parse(_ text: String) -> UInt64? {
            let units = ["K": 10, "M": 20, "G": 30, "T": 40]
            let shift = text.last.flatMap { units[$0.uppercased()] }
            let digits = shift == nil ? text[...] : text.dropLast()
            let isHexadecimal = digits.lowercased().hasPrefix("0x")
            guard let number = isHexadecimal ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits) else {
                return nil
            }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
            return overflow ? nil : bytes
        }
    }
}

extension Layout {
    /// The layout that a file describes.
    public init(_ file: LayoutFile) throws(LayoutError) {
        var functions: [Function] = []
        for (number, entry) in file.functions.enumerated() {
            let key = "functions[\(number)]"
            guard let first = FunctionAddress(text: entry.at) else {
                throw .badValue(key: "\(key).at", value: entry.at, expected: "an address such as 00:04.0")
            }
            let count = entry.repeat ?? 1
            guard count > 0 else {
                throw .badValue(key: "\(key).repeat", value: "\(count)", expected: "a count of at least 1")
            }
            // Checked here, so that a short file does not fill the memory.
            guard count <= 1 << 16, Int(first.requesterID) + count <= 1 << 16, functions.count + count <= 1 << 16 else {
                throw .tooManyFunctions(first: first, count: count)
            }
            let description = try entry.description(key: key)
            for offset in 0..<count {
                let address = FunctionAddress(requesterID: first.requesterID + UInt16(offset))
                functions.append(Function(address: address, description: description))
            }
        }
        try self.init(name: file.name, functions: functions)
    }
}

extension LayoutFile.Function {
    func description(key: String) throws(LayoutError) -> FunctionDescription {
        var description = FunctionDescription(
            vendorID: try narrow(vendor, "\(key).vendor", or: 0x1af4),
            deviceID: try narrow(device, "\(key).device", or: 1), romSize: rom?.value)
        if let code = self.class {
            guard code.value < 1 << 24 else {
                throw .badValue(key: "\(key).class", value: "\(code.value)", expected: "a class code of 24 bits")
            }
            description.classCode = UInt32(code.value)
        }
        for (number, bar) in (bars ?? []).enumerated() {
            guard description.bars[bar.bar] == nil else {
                throw .badValue(key: "\(key).bars[\(number)].bar", value: "\(bar.bar)", expected: "a BAR of its own")
            }
            description.bars[bar.bar] = try bar.description(key: "\(key).bars[\(number)]")
        }
        description.msiVectors = msi
        description.msix = msix.map { msix in
            MSIXDescription(
                vectors: msix.vectors, table: msix.table.location, pendingBits: msix.pendingBits.location)
        }
        description.doorbell = doorbell?.location
        return description
    }

    private func narrow(
        _ number: LayoutFile.Number?, _ key: String, or standard: UInt16
    ) throws(LayoutError) -> UInt16 {
        guard let number else { return standard }
        guard let id = UInt16(exactly: number.value) else {
            throw .badValue(key: key, value: "\(number.value)", expected: "an id of 16 bits")
        }
        return id
    }
}

extension LayoutFile.BAR {
    func description(key: String) throws(LayoutError) -> BARDescription {
        var ranges: [Range<UInt64>] = []
        for (number, part) in (registers ?? []).enumerated() {
            let (end, overflow) = part.offset.value.addingReportingOverflow(part.size.value)
            guard !overflow, part.size.value > 0, end <= size.value else {
                throw .badValue(
                    key: "\(key).registers[\(number)]", value: "\(part.offset.value)+\(part.size.value)",
                    expected: "a part of a BAR of \(size.value) bytes")
            }
            ranges.append(part.offset.value..<end)
        }
        return BARDescription(
            kind: kind, size: size.value, isPrefetchable: prefetchable ?? false, registers: ranges)
    }
}

extension LayoutFile.Location {
    var location: BARLocation {
        BARLocation(bar: bar, offset: offset.value)
    }
}

extension FunctionAddress {
    /// Reads `00:04.0`.
    public init?(text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "." }
        guard
            parts.count == 3, parts.allSatisfy({ (1...2).contains($0.count) && $0.allSatisfy(\.isHexDigit) }),
            let bus = UInt8(parts[0], radix: 16), let device = UInt8(parts[1], radix: 16),
            let function = UInt8(parts[2], radix: 16)
        else { return nil }
        self.init(bus: bus, device: device, function: function)
    }
}
