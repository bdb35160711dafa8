import Memslots
import Testing

@testable import Board
@testable import Firmware

/// What a kernel finds that looks for the data of a PC's firmware.
@Suite struct PCMemoryTests {
    private func memory(processors: Int?, ram: UInt64 = 16 << 20, beside taken: [GuestRange] = []) -> PCMemory {
        PCMemory(
            ram: RAMLayout(low: ram, high: 0),
            processors: processors.map { PCMemory.Processors(count: $0, signature: 0xa10f11, features: 0x178b_fbff) },
            beside: taken)
    }

    /// The word or the bytes at an address.
    private func bytes(_ memory: PCMemory, at address: UInt64, _ count: Int) -> [UInt8]? {
        for data in memory.data where data.range?.contains(GuestAddress(address)) == true {
            let offset = Int(address - data.address.rawValue)
            return offset + count <= data.bytes.count ? Array(data.bytes[offset..<offset + count]) : nil
        }
        return nil
    }

    private func number(_ memory: PCMemory, at address: UInt64, _ count: Int) -> UInt64? {
        bytes(memory, at: address, count).map { $0.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    }

    @Test(arguments: [(nil, 640, 0), (1, 639, 0x9fc0), (4, 639, 0x9fc0), (64, 638, 0x9f80), (300, 634, 0x9e80)])
    func conventionalMemoryEndsWhereTheEBDABegins(processors: Int?, kibibytes: UInt64, segment: UInt64) {
        let memory = memory(processors: processors)
        #expect(number(memory, at: 0x413, 2) == kibibytes)
        #expect(number(memory, at: 0x40e, 2) == segment)
        #expect(memory.conventionalEnd == kibibytes << 10)
        if segment != 0 { #expect(number(memory, at: segment << 4, 1) == 640 - kibibytes) }
        #expect(memory.data.allSatisfy { ($0.range?.last.rawValue ?? .max) < 640 << 10 })
    }

    @Test(arguments: [1, 2, 64, 254, 300])
    func theTableNamesAllProcessors(count: Int) throws {
        let memory = memory(processors: count)
        let ebda = try #require(number(memory, at: 0x40e, 2)) << 4
        // As a kernel looks: at each multiple of 16 in the first KiB.
        let pointer = try #require(
            stride(from: ebda, to: ebda + 1024, by: 16).first { bytes(memory, at: $0, 4) == Array("_MP_".utf8) })
        #expect(bytes(memory, at: pointer, 16)?.reduce(0, &+) == 0)
        let table = try #require(number(memory, at: pointer + 4, 4))
        #expect(bytes(memory, at: table, 4) == Array("PCMP".utf8))
        let size = try #require(number(memory, at: table + 4, 2))
        #expect(try #require(bytes(memory, at: table, Int(size))).reduce(0, &+) == 0)
        #expect(number(memory, at: table + 36, 4) == 0xfee0_0000)
        var entries: [UInt64: Int] = [:]
        var next = table + 44
        while next < table + size {
            let type = try #require(number(memory, at: next, 1))
            if type == 0 {
                #expect(number(memory, at: next + 1, 1) == UInt64(entries[0] ?? 0))
                #expect(number(memory, at: next + 3, 1) == (entries[0] == nil ? 3 : 1))
            }
            if type == 2 { #expect(number(memory, at: next + 4, 4) == 0xfec0_0000) }
            entries[type, default: 0] += 1
            next += type == 0 ? 20 : 8
        }
        #expect(entries == [0: min(count, 254), 1: 1, 2: 1, 3: 16, 4: 2])
        #expect(number(memory, at: table + 34, 2) == UInt64(entries.values.reduce(0, +)))
    }

    @Test func anImageComesFirst() throws {
        let overEBDA = try #require(GuestRange(first: GuestAddress(0x9_f000), size: 0x2000))
        #expect(number(memory(processors: 2, beside: [overEBDA]), at: 0x40e, 2) == 0)
        #expect(number(memory(processors: 2, beside: [overEBDA]), at: 0x413, 2) == 640)
        let overBDA = try #require(GuestRange(first: GuestAddress(0), size: 0x1000))
        #expect(memory(processors: 2, beside: [overBDA]).data.isEmpty)
    }

    @Test func littleRAMIsAllThereIs() {
        #expect(number(memory(processors: 2, ram: 64 << 10), at: 0x413, 2) == 64)
        #expect(memory(processors: 2, ram: 64 << 10).data.count == 1)
    }
}
