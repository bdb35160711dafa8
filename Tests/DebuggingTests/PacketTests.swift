import PropertySupport
import Testing

@testable import Debugging

@Suite("Packets")
struct PacketTests {
    @Test("a packet has a dollar sign, data, a hash sign and a checksum")
    func form() {
        #expect(Packet.encoded(Array("OK".utf8)) == Array("$OK#9a".utf8))
        #expect(Packet.encoded([]) == Array("$#00".utf8))
        #expect(
            Packet.encoded([0x24, 0x23, 0x7d, 0x2a]).dropLast(3) == [0x24, 0x7d, 4, 0x7d, 3, 0x7d, 0x5d, 0x7d, 0x0a])
    }

    @Test("what is encoded is read again, however it is cut", arguments: propertySeeds)
    func roundTrip(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var sent: [[UInt8]] = []
        var bytes: [UInt8] = []
        for _ in 0..<200 {
            let data = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            sent.append(data)
            bytes += Packet.encoded(data)
        }
        var reader = PacketReader()
        var inputs: [PacketReader.Input] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...40, using: &random)
            inputs += reader.receive(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        #expect(inputs == sent.map { .packet($0) }, "seed \(seed)")
    }

    @Test("damage, Ctrl-C and requests to repeat are told apart; the rest between packets is dropped")
    func others() {
        var reader = PacketReader()
        #expect(
            reader.receive(Array("++x$OK#9b-\u{3}$OK#9a".utf8)) == [
                .damagedPacket, .repeatRequest, .interrupt, .packet([0x4f, 0x4b]),
            ])
        #expect(reader.receive(Array("$OK#zz$O$OK#9A".utf8)) == [.damagedPacket, .packet([0x4f, 0x4b])])
    }

    @Test("a packet without end is too long at some point, and memory does not grow with it")
    func overfull() {
        var reader = PacketReader()
        _ = reader.receive(Array("$".utf8) + [UInt8](repeating: 0x61, count: Packet.maximumSize))
        #expect(!reader.isOverfull)
        _ = reader.receive([0x61])
        #expect(reader.isOverfull)
    }

    @Test("hexadecimal digits are numbers and bytes, or nothing")
    func hexadecimal() {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        #expect(bytes("10aF").hexadecimalValue == 0x10af)
        #expect(bytes("ffffffffffffffff").hexadecimalValue == .max)
        for text in ["", "0x1", "g", "10000000000000000", "٣", "-1"] { #expect(bytes(text).hexadecimalValue == nil) }
        #expect(bytes("00ff").bytesFromHexadecimal == [0, 255])
        #expect(bytes("0").bytesFromHexadecimal == nil && bytes("0g").bytesFromHexadecimal == nil)
        #expect(bytes("").bytesFromHexadecimal == [])
    }
}
