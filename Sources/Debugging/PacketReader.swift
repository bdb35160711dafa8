/// A reader that splits the bytes that a client sends into packets (GDB Remote Serial Protocol, "Overview").
struct PacketReader: Sendable {
    /// A packet, or a byte between packets that has a meaning.
    enum Input: Equatable, Sendable {
        /// The data of a packet whose checksum is right, with escapes resolved.
        case packet([UInt8])
        /// A packet whose checksum is wrong.
        case damagedPacket
        /// The byte of Ctrl-C: the client wants the threads to stop.
        case interrupt
        /// The client wants the last packet to be sent again.
        case repeatRequest
    }

    /// The part of a packet in which the next byte lies.
    private enum Place {
        case between, inData
        case inChecksum(first: UInt8?)
    }

    private var place = Place.between
    private var data: [UInt8] = []

    /// Whether a packet was longer than `Packet.maximumSize`. The bytes that follow such a packet have no meaning.
    private(set) var isOverfull = false

    /// Takes bytes. Returns the packets and requests that are complete with them. Other bytes between packets are dropped.
    mutating func receive(_ bytes: some Sequence<UInt8>) -> [Input] {
        bytes.compactMap { receive($0) }
    }

    private mutating func receive(_ byte: UInt8) -> Input? {
        switch (place, byte) {
        // A packet that begins inside another one means that the client has given up the other one.
        case (.between, UInt8(ascii: "$")), (.inData, UInt8(ascii: "$")):
            place = .inData
            data = []
        case (.between, 3): return .interrupt
        case (.between, UInt8(ascii: "-")): return .repeatRequest
        case (.between, _): break
        case (.inData, UInt8(ascii: "#")): place = .inChecksum(first: nil)
        case (.inData, _):
            data.append(byte)
            if data.count > Packet.maximumSize {
                isOverfull = true
                place = .between
                data = []
            }
        case (.inChecksum(nil), _): place = .inChecksum(first: byte)
        case (.inChecksum(let first?), _):
            place = .between
            let sum = [first, byte].hexadecimalValue
            return sum.map { UInt64(Packet.checksum(of: data)) == $0 } == true
                ? .packet(Packet.unescaped(data)) : .damagedPacket
        }
        return nil
    }
}

/// The format of packets.
enum Packet {
    /// The largest number of bytes between `$` and `#`. The client is told this number.
    static let maximumSize = 0x4000

    /// Returns the packet that carries `data`, with escapes and a checksum.
    static func encoded(_ data: [UInt8]) -> [UInt8] {
        var escaped: [UInt8] = []
        for byte in data {
            if [UInt8(ascii: "$"), UInt8(ascii: "#"), escape, UInt8(ascii: "*")].contains(byte) {
                escaped += [escape, byte ^ 0x20]
            } else {
                escaped.append(byte)
            }
        }
        return [UInt8(ascii: "$")] + escaped + [UInt8(ascii: "#")] + [checksum(of: escaped)].hexadecimal
    }

    static func checksum(of bytes: [UInt8]) -> UInt8 { bytes.reduce(0, &+) }

    /// Returns the data of a packet with its escapes resolved.
    static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
        var isEscaped = false
        return bytes.compactMap { byte in
            if byte == escape, !isEscaped {
                isEscaped = true
                return nil
            }
            defer { isEscaped = false }
            return isEscaped ? byte ^ 0x20 : byte
        }
    }

    private static let escape = UInt8(ascii: "}")
}

extension Sequence<UInt8> {
    /// The bytes as two hexadecimal digits each.
    var hexadecimal: [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0xf)]] }
    }
}

extension Collection<UInt8> {
    /// The number that hexadecimal digits stand for. It is nil if there are no digits, other characters, or too many digits for 64
    /// bits.
    var hexadecimalValue: UInt64? {
        guard allSatisfy({ $0 < 0x80 && Character(UnicodeScalar($0)).isHexDigit }) else { return nil }
        return UInt64(String(decoding: self, as: UTF8.self), radix: 16)
    }

    /// The bytes that pairs of hexadecimal digits stand for, or nil if there is anything but such pairs.
    var bytesFromHexadecimal: [UInt8]? {
        guard count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var rest = self[...]
        while !rest.isEmpty {
            guard let value = rest.prefix(2).hexadecimalValue else { return nil }
            bytes.append(UInt8(truncatingIfNeeded: value))
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
