import Memslots
import Testing

@testable import Board
@testable import Firmware

@Suite struct KernelInfoTests {
    private func memory(low: UInt64 = 64 << 20, high: UInt64 = 0) throws -> KernelMemory {
        KernelMemory(
            ram: RAMLayout(low: low, high: high), conventionalEnd: 639 << 10,
            taken: [try #require(GuestRange(first: GuestAddress(0x100_0000), size: 0x80_0000))],
            reserved: [try #require(GuestRange(first: GuestAddress(0xc000_0000), size: 256 << 20))],
            tables: GuestAddress(0xe0000))
    }

    private func linux(
        _ memory: KernelMemory, line: String = "a b", modules: [[UInt8]] = [], last: UInt32 = 0x7fff_ffff
    ) throws(FirmwareError) -> KernelInfo {
        try KernelInfo(
            linux: [UInt8](repeating: 0xa5, count: 0x7b), at: 0x1f1, commandLineSize: 8, initrdAddressMax: last, memory,
            commandLine: Array(line.utf8), modules: modules)
    }

    @Test func bootParameters() throws {
        let info = try linux(try memory(high: 1 << 30), modules: [[1, 2, 3]])
        let page = info.data[0].bytes
        #expect(info.data[0].address == info.address)
        #expect(number(page[0x70..<0x78]) == 0xe0000)
        #expect(page[0x1f1] == 0xa5 && page[0x26b] == 0xa5 && page[0x26c] == 0 && page[0x210] == 0xff)
        #expect(number(page[0x218..<0x21c]) == info.data[1].address.rawValue && number(page[0x21c..<0x220]) == 3)
        #expect(info.data[1].bytes == [1, 2, 3] && info.data[1].address == GuestAddress(0x180_0000))
        let line = Int(number(page[0x228..<0x22c]) - info.address.rawValue)
        #expect(Array(page[line...]) == Array("a b".utf8) + [0])
        let map = (0..<Int(page[0x1e8])).map { entry in
            [0..<8, 8..<16, 16..<20].map { part in
                number(page[0x2d0 + 20 * entry + part.lowerBound..<0x2d0 + 20 * entry + part.upperBound])
            }
        }
        #expect(
            map == [
                [0, 0x9fc00, 1], [0x9fc00, 0x60400, 2], [0x10_0000, 63 << 20, 1], [0xc000_0000, 256 << 20, 2],
                [4 << 30, 1 << 30, 1],
            ])
    }

    @Test("what Linux does not take is refused by the field's name")
    func refusals() throws {
        let memory = try memory()
        #expect(throws: Never.self) { try linux(memory, line: "12345678") }
        #expect(throws: FirmwareError.commandLineTooLong(9, most: 8)) { try linux(memory, line: "123456789") }
        #expect(throws: FirmwareError.manyModules(2)) { try linux(memory, modules: [[1], [2]]) }
        #expect(throws: Never.self) { try linux(memory, modules: [[1]], last: 0x180_0000) }
        #expect(throws: FirmwareError.initrdTooHigh(end: 0x180_0002, most: 0x180_0000)) {
            try linux(memory, modules: [[1, 2]], last: 0x180_0000)
        }
        #expect(throws: FirmwareError.noRoom(what: "module 0", size: 60 << 20)) {
            try linux(memory, modules: [[UInt8](repeating: 0, count: 60 << 20)])
        }
    }

    @Test func startInformation() throws {
        let info = try KernelInfo(pvh: try memory(), commandLine: Array("a".utf8), modules: [[1], [2, 3]])
        let bytes = info.data[0].bytes
        func word(_ offset: Int) -> UInt64 { number(bytes[offset..<offset + 8]) }
        func at(_ pointer: UInt64) -> Int { Int(pointer - info.address.rawValue) }
        #expect(word(0) == 1 << 32 | 0x336e_c578 && word(8) == 2 << 32)
        #expect(info.data[0].address == info.address && word(32) == 0xe0000)
        #expect(Array(bytes[at(word(24))...]) == [0x61, 0])
        let modules = at(word(16))
        #expect(word(modules) == info.data[1].address.rawValue && word(modules + 8) == 1)
        #expect(word(modules + 32) == info.data[2].address.rawValue && word(modules + 40) == 2)
        let map = at(word(40))
        #expect(word(48) == 4 && word(map + 8) == 0x9fc00 && word(map + 16) == 1 && word(map + 72) == 0xc000_0000)
        #expect(
            try KernelInfo(pvh: try memory(), commandLine: [], modules: []).data[0].bytes[16..<24].allSatisfy {
                $0 == 0
            })
    }
}
