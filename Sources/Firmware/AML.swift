internal import Memslots

/// A statement in ACPI Machine Language, which describes a machine to a guest (ACPI 6.5, 20.2).
indirect enum AML {
    case name(String, AMLValue)
    case scope(String, [AML])
    case device(String, [AML])
    case method(String, arguments: UInt8, [AML])
    case `return`(AMLValue)

    var bytes: [UInt8] {
        switch self {
        case .name(let name, let value): [0x08] + Self.path(name) + value.bytes
        case .scope(let name, let body): Self.package([0x10], Self.path(name) + body.flatMap(\.bytes))
        case .device(let name, let body): Self.package([0x5b, 0x82], Self.path(name) + body.flatMap(\.bytes))
        case .method(let name, let arguments, let body):
            Self.package([0x14], Self.path(name) + [arguments] + body.flatMap(\.bytes))
        case .return(let value): [0xa4] + value.bytes
        }
    }

    /// Returns an opcode, a length, and a body. The length counts its own bytes and the body.
    fileprivate static func package(_ opcode: [UInt8], _ body: [UInt8]) -> [UInt8] {
        // A length of one byte goes to 63. A longer one has its low four bits in the first byte, which also says how many bytes
        // follow (20.2.4).
        guard body.count >= 0x3f else { return opcode + [UInt8(body.count + 1)] + body }
        let more = body.count + 2 < 1 << 12 ? 1 : body.count + 3 < 1 << 20 ? 2 : 3
        let length = body.count + 1 + more
        return opcode + [UInt8(more << 6 | length & 0xf)] + littleEndian(length >> 4, more) + body
    }

    /// Returns a name. A name that begins with `\` counts from the root. Names are padded to four characters.
    fileprivate static func path(_ name: String) -> [UInt8] {
        let isAbsolute = name.hasPrefix("\\")
        let letters = Array(name.utf8.dropFirst(isAbsolute ? 1 : 0))
        return (isAbsolute ? [0x5c] : []) + letters + [UInt8](repeating: 0x5f, count: max(0, 4 - letters.count))
    }
}

/// A value in ACPI Machine Language.
indirect enum AMLValue {
    case integer(UInt64)
    /// The EISA id of a kind of device: three letters and four hexadecimal digits.
    case eisaID(String)
    case buffer([UInt8])
    case package([AMLValue])
    case resources([AMLResource])
    case argument(UInt8)
    case reference(String)

    var bytes: [UInt8] {
        switch self {
        case .integer(let value): Self.bytes(of: value)
        case .eisaID(let text):
            // Each letter has five bits, and the digits follow. The most significant byte comes first (6.1.5).
            [0x0c]
                + littleEndian(
                    (text.utf8.prefix(3).reduce(0) { $0 << 5 | UInt32($1 & 0x1f) } << 16
                        | (UInt32(text.dropFirst(3), radix: 16) ?? 0)).byteSwapped, 4)
        case .buffer(let bytes): AML.package([0x11], AMLValue.integer(UInt64(bytes.count)).bytes + bytes)
        case .package(let values): AML.package([0x12], [UInt8(values.count)] + values.flatMap(\.bytes))
        // The end tag has a checksum, and 0 means that it is not given.
        case .resources(let list): AMLValue.buffer(list.flatMap(\.bytes) + [0x79, 0]).bytes
        case .argument(let number): [0x68 + number]
        case .reference(let name): AML.path(name)
        }
    }

    private static func bytes(of value: UInt64) -> [UInt8] {
        switch value {
        case 0, 1: [UInt8(value)]
        case ...0xff: [0x0a, UInt8(value)]
        case ...0xffff: [0x0b] + littleEndian(value, 2)
        case ...0xffff_ffff: [0x0c] + littleEndian(value, 4)
        default: [0x0e] + littleEndian(value, 8)
        }
    }
}

/// A resource of a device (ACPI 6.5, 6.4).
enum AMLResource {
    /// The buses below a host bridge.
    case buses(ClosedRange<UInt8>)
    /// Ports that a host bridge passes on.
    case portWindow(ClosedRange<UInt16>)
    /// Memory that a host bridge passes on.
    case memoryWindow(GuestRange)
    /// Ports that a device has.
    case ports(UInt16, count: UInt8)
    /// Memory below 4 GiB that a device has.
    case memory(GuestRange)
    /// The line of an edge-triggered interrupt, 0 to 15.
    case line(UInt16)

    var bytes: [UInt8] {
        switch self {
        case .buses(let range): Self.word([2, 0x0c, 0], UInt16(range.lowerBound), UInt16(range.upperBound))
        case .portWindow(let range): Self.word([1, 0x0c, 3], range.lowerBound, range.upperBound)
        case .memoryWindow(let range):
            [0x8a, 0x2b, 0, 0, 0x0c, 1] + Self.window(range.first.rawValue, range.last.rawValue, 8)
        case .ports(let first, let count): [0x47, 1] + littleEndian(first, 2) + littleEndian(first, 2) + [1, count]
        case .memory(let range): [0x86, 9, 0, 1] + littleEndian(range.first.rawValue, 4) + littleEndian(range.size, 4)
        case .line(let number): [0x22] + littleEndian(1 << number, 2)
        }
    }

    private static func word(_ flags: [UInt8], _ first: UInt16, _ last: UInt16) -> [UInt8] {
        [0x88, 0x0d, 0] + flags + window(UInt64(first), UInt64(last), 2)
    }

    /// Returns the fields of an address range, each of `width` bytes: granularity, first, last, translation, and size.
    private static func window(_ first: UInt64, _ last: UInt64, _ width: Int) -> [UInt8] {
        [0, first, last, 0, last - first &+ 1].flatMap { littleEndian($0, width) }
    }
}
