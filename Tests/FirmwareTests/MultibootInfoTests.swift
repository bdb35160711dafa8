import Memslots
import PropertySupport
import Testing

@testable import Board
@testable import Firmware

/// What a kernel would read in the information, and where all of it lies.
@Suite struct MultibootInfoTests {
    private func range(_ first: UInt64, _ size: UInt64) throws -> GuestRange {
        try #require(GuestRange(first: GuestAddress(first), size: size))
    }

    @Test func aKernelReadsWhatItWasGiven() throws {
        let info = try MultibootInfo(
            .one,
            in: KernelMemory(ram: RAMLayout(low: 128 << 20, high: 5 << 30), taken: [try range(0x10_0000, 0x1234)]),
            commandLine: Array("kernel a b".utf8),
            modules: [
                MultibootInfo.Module(string: Array("one x".utf8), size: 5000),
                MultibootInfo.Module(string: [], size: 0), MultibootInfo.Module(string: Array("3".utf8), size: 1),
            ])
        let kernel = InfoReader(info)
        #expect(kernel.word(0) == 0x24d)
        #expect(kernel.word(4) == 640)
        #expect(kernel.word(8) == 127 << 10)
        #expect(kernel.string(at: 16) == "kernel a b")
        #expect(kernel.string(at: 64) == "swiftlet")
        #expect(
            kernel.modules == [
                InfoReader.Module(start: 0x10_2000, end: 0x10_2000 + 5000, string: "one x"),
                InfoReader.Module(start: 0x10_4000, end: 0x10_4000, string: ""),
                InfoReader.Module(start: 0x10_5000, end: 0x10_5001, string: "3"),
            ])
        #expect(info.moduleAddresses.map(\.rawValue) == [0x10_2000, 0x10_4000, 0x10_5000])
        #expect(
            kernel.map == [
                InfoReader.Entry(base: 0, length: 0xa0000, type: 1),
                InfoReader.Entry(base: 0xa0000, length: 0x60000, type: 2),
                InfoReader.Entry(base: 0x10_0000, length: 127 << 20, type: 1),
                InfoReader.Entry(base: 4 << 30, length: 5 << 30, type: 1),
            ])
    }

    @Test(arguments: [(UInt64(64 << 10), UInt32(64), UInt32(0)), (640 << 10, 640, 0), (1 << 20, 640, 0)])
    func littleMemory(size: UInt64, lower: UInt32, upper: UInt32) throws {
        let info = try MultibootInfo(
            .one, in: KernelMemory(ram: RAMLayout(low: size, high: 0), taken: [try range(0x8000, 0x1000)]),
            commandLine: [], modules: [])
        let kernel = InfoReader(info)
        #expect(kernel.word(4) == lower && kernel.word(8) == upper)
        #expect(kernel.map.reduce(0) { $0 + $1.length } == size)
        #expect(info.address.rawValue + UInt64(info.bytes.count) <= size)
    }

    @Test func anImageThatTakesAllLeavesNoRoom() throws {
        let image = [try range(0x1000, (1 << 20) - 0x1000)]
        #expect(throws: FirmwareError.self) {
            try MultibootInfo(
                .one, in: KernelMemory(ram: RAMLayout(low: 1 << 20, high: 0), taken: image), commandLine: [],
                modules: [])
        }
        let module = MultibootInfo.Module(string: [], size: 1 << 20)
        #expect(throws: FirmwareError.noRoom(what: "module 0", size: 1 << 20)) {
            try MultibootInfo(
                .one, in: KernelMemory(ram: RAMLayout(low: (2 << 20) - 1, high: 0), taken: image), commandLine: [],
                modules: [module])
        }
    }

    /// Nothing lies on anything else, nor outside RAM, whatever the image and the modules look like; and what there is room for
    /// finds it.
    @Test(arguments: propertySeeds)
    func nothingCollides(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var placed = 0
        for step in 0..<2000 {
            let lowRAM = UInt64.random(in: 16...4096, using: &random) << 12
            var segments: [GuestRange] = []
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let size = UInt64.random(in: 1...(lowRAM / 4), using: &random)
                let range = try range(.random(in: 0..<lowRAM + (1 << 20), using: &random), size)
                if !segments.contains(where: { $0.overlaps(range) }) { segments.append(range) }
            }
            let modules = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                MultibootInfo.Module(
                    string: [UInt8](repeating: 0x41, count: .random(in: 0...5000, using: &random)),
                    size: .random(in: 0...Int(lowRAM / 8), using: &random))
            }
            let commandLine = [UInt8](repeating: 0x42, count: .random(in: 0...5000, using: &random))
            let info: MultibootInfo
            do {
                info = try MultibootInfo(
                    .one, in: KernelMemory(ram: RAMLayout(low: lowRAM, high: 0), taken: segments),
                    commandLine: commandLine,
                    modules: modules)
            } catch {
                continue
            }
            placed += 1
            var taken = segments + [try range(info.address.rawValue, UInt64(info.bytes.count))]
            for (address, module) in zip(info.moduleAddresses, modules) where module.size > 0 {
                #expect(address.isPageAligned)
                taken.append(try range(address.rawValue, UInt64(module.size)))
            }
            for new in taken.dropFirst(segments.count) {
                try #require(
                    new.last.rawValue < lowRAM && new.first.rawValue >= Page.size, "seed \(seed), step \(step)")
                try #require(taken.count { $0.overlaps(new) } == 1, "seed \(seed), step \(step)")
            }
            try #require(InfoReader(info).modules.map(\.string.utf8.count) == modules.map(\.string.count))
        }
        #expect(placed > 1000, "seed \(seed)")
    }
}

/// Reads the information as a kernel does: by the addresses in it.
struct InfoReader {
    struct Module: Equatable {
        let start: UInt32
        let end: UInt32
        let string: String
    }

    struct Entry: Equatable {
        let base: UInt64
        let length: UInt64
        let type: UInt32
    }

    let info: MultibootInfo

    init(_ info: MultibootInfo) {
        self.info = info
    }

    func word(_ offset: Int) -> UInt32 {
        info.bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    func string(at offset: Int) -> String {
        String(decoding: info.bytes[place(offset)...].prefix { $0 != 0 }, as: UTF8.self)
    }

    var modules: [Module] {
        (0..<Int(word(20))).map { index in
            let offset = place(24) + 16 * index
            return Module(start: word(offset), end: word(offset + 4), string: string(at: offset + 8))
        }
    }

    var map: [Entry] {
        var entries: [Entry] = []
        var offset = place(48)
        let end = offset + Int(word(44))
        while offset < end {
            entries.append(
                Entry(
                    base: UInt64(word(offset + 8)) << 32 | UInt64(word(offset + 4)),
                    length: UInt64(word(offset + 16)) << 32 | UInt64(word(offset + 12)), type: word(offset + 20)))
            offset += Int(word(offset)) + 4
        }
        return entries
    }

    /// Where the address in the word at `offset` lies in the information.
    private func place(_ offset: Int) -> Int {
        Int(word(offset)) - Int(info.address.rawValue)
    }
}
