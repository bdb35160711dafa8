import ImageFixtures
import Memslots
import PropertySupport
import Testing

@testable import Images

@Suite struct LinuxTests {
    private func load(_ bytes: [UInt8], as reading: Image.Reading? = nil) throws -> Image {
        try Image.load(bytes, as: reading, flatLoadAddress: GuestAddress(0x10000))
    }

    @Test("a bzImage is known by its header, and starts at its 64-bit entry", arguments: [0, 1, 27, 63] as [UInt8])
    func image(setupSects: UInt8) throws {
        var file = LinuxFile()
        file.setupSects = setupSects
        // A signature may lie behind the kernel.
        let image = try load(file.bytes + [1, 2, 3])
        guard case .linux(let header) = image.format else {
            Issue.record("\(image.format)")
            return
        }
        let start = (Int(setupSects == 0 ? 4 : setupSects) + 1) * 512
        #expect(image.mode == .long)
        #expect(image.entry == GuestAddress(0x100_0200))
        #expect(image.segments.map(\.range.first) == [GuestAddress(0x100_0000)])
        #expect(image.segments.map(\.range.size) == [0x2000])
        #expect(image.segments.map(\.bytes) == [start..<start + 0x210])
        #expect(header.bytes == Array(file.bytes[0x1f1..<0x26c]))
        #expect((header.commandLineSize, header.initrdAddressMax) == (255, 0x7fff_ffff))
        #expect(try load(file.bytes, as: .linux) == load(file.bytes))
    }

    private static let wrong: [(String, LinuxFile)] = [
        ("boot_flag", make { $0.bootFlag = 0x55aa }), ("header", make { $0.header = 0 }),
        ("version", make { $0.version = 0x20b }), ("loadflags", make { $0.loadFlags = 0 }),
        ("xloadflags", make { $0.xloadFlags = 0xfffe }), ("syssize", make { $0.syssize = 0x20 }),
        ("syssize", make { $0.syssize = 0xffff_ffff }), ("pref_address", make { $0.preferredAddress = .max - 4096 }),
    ]

    private static func make(_ change: (inout LinuxFile) -> Void) -> LinuxFile {
        var file = LinuxFile()
        change(&file)
        return file
    }

    @Test("what is wrong is told by the field's name", arguments: wrong)
    func wrongFields(field: String, file: LinuxFile) throws {
        let error = try #require(throws: ImageError.self) { try load(file.bytes, as: .linux) }
        guard case .linux(let name, _, _) = error else {
            Issue.record(error)
            return
        }
        #expect(name == field)
        // Without its marks the file is another one.
        if ["boot_flag", "header"].contains(field) {
            #expect(throws: Never.self) { try load(file.bytes, as: .flat) }
        } else {
            #expect(throws: error) { try load(file.bytes) }
        }
    }

    @Test("a file that was cut anywhere is an error and no trap")
    func cut() throws {
        let bytes = LinuxFile().bytes
        for count in 0..<bytes.count {
            #expect(throws: ImageError.self) { try load(Array(bytes[..<count]), as: .linux) }
        }
    }

    @Test("random headers are loaded whole or refused", arguments: propertySeeds)
    func randomHeaders(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for step in 0..<1000 {
            var bytes = LinuxFile().bytes
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes[.random(in: 0x1f1..<0x269, using: &random)] = .random(in: 0...255, using: &random)
            }
            guard let image = try? load(bytes, as: .linux) else { continue }
            for segment in image.segments {
                let isSound = segment.bytes.upperBound <= bytes.count && segment.range.contains(image.entry)
                try #require(isSound && UInt64(segment.bytes.count) <= segment.range.size, "seed \(seed), step \(step)")
            }
        }
    }
}

@Suite struct PVHTests {
    private static let samples: [[UInt8]] = [
        ForeignFormatTests.elf(name: "Xen", type: 18), ForeignFormatTests.elf(name: "Xen", type: 18, is64: false),
        ForeignFormatTests.elf(
            name: "Xen", type: 18, before: [4, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0x58, 0x65, 0x6e, 0]),
    ]

    @Test("the note gives the entry", arguments: samples)
    func entry(bytes: [UInt8]) throws {
        // The last four bytes are the address; the file's segments lie at 1 MiB.
        let file = Array(bytes.dropLast(4)) + [2, 0, 0x10, 0]
        for reading in [nil, Image.Reading.pvh] {
            let image = try Image.load(file, as: reading, flatLoadAddress: GuestAddress(0x10000))
            #expect(image.format == .pvh(isLinux: false) && image.mode == .protected)
            #expect(image.entry == GuestAddress(0x10_0002))
        }
        #expect(throws: ImageError.entryOutsideSegments(entry: 0)) {
            try Image.load(bytes, flatLoadAddress: GuestAddress(0x10000))
        }
    }

    @Test("a note of Linux tells that the kernel is one")
    func linux() throws {
        let note: [UInt8] = [6, 0, 0, 0, 4, 0, 0, 0, 1, 1, 0, 0] + Array("Linux".utf8) + [0, 0, 0, 0, 0, 0, 0]
        let file = ForeignFormatTests.elf(name: "Xen", type: 18, before: note).dropLast(4) + [2, 0, 0x10, 0]
        let image = try Image.load(Array(file), flatLoadAddress: GuestAddress(0x10000))
        #expect(image.format == .pvh(isLinux: true))
    }

    @Test func aFileWithoutTheNote() {
        let bytes = ForeignFormatTests.elf(name: "Xen", type: 17)
        #expect(throws: ImageError.noPVHEntry) { try Image.load(bytes, as: .pvh, flatLoadAddress: GuestAddress(0)) }
    }
}
