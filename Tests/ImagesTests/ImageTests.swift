import Memslots
import Testing

@testable import Images

@Suite struct ImageTests {
    // MARK: Flat

    @Test func flatImageIsOneSegment() throws {
        let image = try Image.flat(byteCount: 3, at: GuestAddress(0x10000))
        let range = try #require(GuestRange(first: GuestAddress(0x10000), size: 3))
        #expect(image.segments.map(\.range) == [range])
        #expect(image.segments.map(\.bytes) == [0..<3])
        #expect(image.entry == GuestAddress(0x10000))
        #expect(image.mode == nil)
        #expect(image.format == .flat)
    }

    @Test func emptyImageIsRefused() {
        #expect(throws: ImageError.empty) { try Image.flat(byteCount: 0, at: GuestAddress(0)) }
        #expect(throws: ImageError.empty) { try Image.load([], flatLoadAddress: GuestAddress(0)) }
    }

    @Test func flatImageMayEndAtTheLastAddress() throws {
        let image = try Image.flat(byteCount: 2, at: GuestAddress(.max - 1))
        #expect(image.segments.map(\.range.last) == [GuestAddress(.max)])
    }

    @Test func flatImageMustNotWrap() {
        #expect(throws: ImageError.flatImageWraps(address: GuestAddress(.max), byteCount: 2)) {
            try Image.flat(byteCount: 2, at: GuestAddress(.max))
        }
    }

    // MARK: Picking by content

    @Test func loadTakesELFByItsMagicNumber() throws {
        let image = try Image.load(ELFFile(is64: true).bytes, flatLoadAddress: GuestAddress(0x10000))
        #expect(image.format == .elf64)
    }

    @Test func loadTakesAnythingElseAsFlat() throws {
        let image = try Image.load([0x7f, 0x45, 0x4c], flatLoadAddress: GuestAddress(0x7c00))
        #expect(image.format == .flat)
        #expect(image.entry == GuestAddress(0x7c00))
    }

    // MARK: ELF

    @Test(arguments: [false, true])
    func segmentsLieAtTheirPhysicalAddresses(is64: Bool) throws {
        let file = ELFFile(is64: is64)
        let image = try Image.elf(file.bytes)
        let code = try #require(GuestRange(first: GuestAddress(0x10_0000), size: 3))
        let data = try #require(GuestRange(first: GuestAddress(0x10_2000), size: 0x1000))
        #expect(image.segments.map(\.range) == [code, data])
        #expect(image.segments.map { Array(file.bytes[$0.bytes]) } == [[0x90, 0x90, 0xf4], [1, 2, 3, 4]])
    }

    @Test(arguments: [false, true])
    func entryBecomesPhysical(is64: Bool) throws {
        #expect(try Image.elf(ELFFile(is64: is64).bytes).entry == GuestAddress(0x10_0002))
    }

    @Test func classDecidesTheMode() throws {
        let elf32 = try Image.elf(ELFFile(is64: false).bytes)
        #expect(elf32.mode == .protected)
        #expect(elf32.format == .elf32)
        let elf64 = try Image.elf(ELFFile(is64: true).bytes)
        #expect(elf64.mode == .long)
        #expect(elf64.format == .elf64)
    }

    @Test func segmentsComeInAddressOrder() throws {
        var file = ELFFile(is64: true)
        file.segments.swapAt(0, 1)
        let firsts = try Image.elf(file.bytes).segments.map(\.range.first.rawValue)
        #expect(firsts == [0x10_0000, 0x10_2000])
    }

    @Test func adjacentSegmentsAreAccepted() throws {
        var file = ELFFile(is64: true)
        file.segments[1].paddr = 0x10_0003
        #expect(try Image.elf(file.bytes).segments.count == 2)
    }

    @Test func segmentWithoutMemoryIsSkipped() throws {
        var file = ELFFile(is64: true)
        file.segments[1].contents = []
        file.segments[1].memsz = 0
        #expect(try Image.elf(file.bytes).segments.count == 1)
    }

    @Test func otherProgramHeadersAreSkipped() throws {
        var file = ELFFile(is64: true)
        file.segments[1].type = 0x6474_e551  // PT_GNU_STACK
        #expect(try Image.elf(file.bytes).segments.count == 1)
    }

    @Test func segmentOfZerosMayPointAnywhere() throws {
        var file = ELFFile(is64: true)
        file.segments[1].contents = []
        file.segments[1].offset = .max
        #expect(try Image.elf(file.bytes).segments.map(\.bytes.count) == [3, 0])
    }

    @Test func segmentMayEndAtTheLastAddressOfItsClass() throws {
        var file = ELFFile(is64: false)
        file.segments[1].paddr = 0xffff_f000
        #expect(try Image.elf(file.bytes).segments.last?.range.last == GuestAddress(0xffff_ffff))
        file = ELFFile(is64: true)
        file.segments[1].paddr = .max - 0xfff
        #expect(try Image.elf(file.bytes).segments.last?.range.last == GuestAddress(.max))
    }
}
