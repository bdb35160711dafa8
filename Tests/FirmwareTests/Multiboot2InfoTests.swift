import Memslots
import Testing

@testable import Board
@testable import Firmware

/// What a kernel would read in the information of multiboot 2.
@Suite struct Multiboot2InfoTests {
    private func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    @Test func aKernelReadsWhatItWasGiven() throws {
        let image = try #require(GuestRange(first: GuestAddress(0x10_0000), size: 0x1234))
        let info = try MultibootInfo(
            .two,
            in: KernelMemory(ram: RAMLayout(low: 128 << 20, high: 5 << 30), conventionalEnd: 639 << 10, taken: [image]),
            commandLine: Array("kernel a b".utf8),
            modules: [MultibootInfo.Module(string: Array("one x".utf8), size: 5000)])
        #expect(info.version.bootMagic == 0x36d7_6289)
        #expect(number(info.bytes, 0, 8) == UInt64(info.bytes.count))
        var tags: [UInt64: [UInt8]] = [:]
        var offset = 8
        var types: [UInt64] = []
        while offset < info.bytes.count {
            let (type, size) = (number(info.bytes, offset, 4), Int(number(info.bytes, offset + 4, 4)))
            types.append(type)
            tags[type] = Array(info.bytes[offset + 8..<offset + size])
            offset += (size + 7) / 8 * 8
        }
        #expect(offset == info.bytes.count && types == [1, 2, 3, 4, 6, 0])
        #expect(tags[1] == Array("kernel a b\0".utf8) && tags[2] == Array("swiftlet\0".utf8))
        let module = try #require(tags[3])
        #expect(number(module, 0, 4) == 0x10_2000 && number(module, 4, 4) == 0x10_2000 + 5000)
        #expect(Array(module[8...]) == Array("one x\0".utf8))
        let memory = try #require(tags[4])
        #expect(number(memory, 0, 4) == 639 && number(memory, 4, 4) == 127 << 10)
        let map = try #require(tags[6])
        #expect(number(map, 0, 4) == 24 && number(map, 4, 4) == 0)
        let entries = stride(from: 8, to: map.count, by: 24).map { offset -> [UInt64] in
            [number(map, offset, 8), number(map, offset + 8, 8), number(map, offset + 16, 4)]
        }
        let expected: [[UInt64]] = [
            [0, 0x9_fc00, 1], [0x9_fc00, 0x6_0400, 2], [0x10_0000, 0x7f0_0000, 1], [0x1_0000_0000, 0x1_4000_0000, 1],
        ]
        #expect(entries == expected)
    }

    @Test(arguments: [MultibootInfo.Version.one, .two])
    func aStackIsThereAndNothingElse(version: MultibootInfo.Version) throws {
        let image = try #require(GuestRange(first: GuestAddress(0x1000), size: 0x1000))
        let info = try MultibootInfo(
            version, in: KernelMemory(ram: RAMLayout(low: 16 << 20, high: 0), taken: [image]), commandLine: [],
            modules: [])
        #expect(info.stackTop == GuestAddress(0x6000))
        let all = try #require(GuestRange(first: GuestAddress(0x1000), size: 0x9f000))
        let full = try MultibootInfo(
            version, in: KernelMemory(ram: RAMLayout(low: 16 << 20, high: 0), taken: [all]), commandLine: [],
            modules: [])
        #expect(full.stackTop == nil)
    }
}
