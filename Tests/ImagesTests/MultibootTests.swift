import Images
import Memslots
import Testing

@Suite struct MultibootTests {
    private func range(_ first: UInt64, _ size: UInt64) throws -> GuestRange {
        try #require(GuestRange(first: GuestAddress(first), size: size))
    }

    private func load(_ bytes: [UInt8], as reading: Image.Reading? = nil) throws(ImageError) -> Image {
        try Image.load(bytes, as: reading, flatLoadAddress: GuestAddress(0x10000))
    }

    // MARK: Good files

    @Test func addressFieldsSayWhereAFlatFileLies() throws {
        let file = MultibootFile.flat
        let image = try load(file.bytes)
        #expect(image.format == .multiboot)
        #expect(image.mode == .protected)
        #expect(image.entry == GuestAddress(0x10_0028))
        #expect(image.segments.map(\.range) == [try range(0x10_0000, 0x10000)])
        #expect(image.segments.map(\.bytes) == [0..<file.bytes.count])
    }

    @Test func loadingMayBeginBehindTheStartOfTheFile() throws {
        var file = MultibootFile.flat
        file.addresses?.headerAddr = 0x10_0000
        let image = try load(file.bytes)
        #expect(image.segments.map(\.bytes) == [8..<file.bytes.count])
    }

    @Test func loadEndLeavesTheRestOfTheFileOut() throws {
        var file = MultibootFile.flat
        file.addresses?.loadEndAddr = 0x10_0029
        file.addresses?.bssEndAddr = 0
        let image = try load(file.bytes)
        #expect(image.segments.map(\.range) == [try range(0x10_0000, 0x29)])
        #expect(image.segments.map(\.bytes) == [0..<0x29])
    }

    @Test(arguments: [false, true])
    func elfFilesStartIn32BitCode(is64: Bool) throws {
        let file = MultibootFile.elf(is64: is64)
        let image = try load(file.bytes)
        #expect(image.format == .multiboot)
        #expect(image.mode == .protected)
        #expect(image.entry == GuestAddress(0x10_0002))
        #expect(image.segments.count == 2)
    }

    /// As objcopy makes one of a 64-bit kernel, and as some linkers leave it.
    @Test(arguments: [false, true], [UInt16(3), 62])
    func eitherMachineMayBeInEitherClass(is64: Bool, machine: UInt16) throws {
        var file = MultibootFile.elf(is64: is64)
        file.machine = machine
        #expect(try load(file.bytes).format == .multiboot)
    }

    @Test func entryMayBeAPhysicalAddress() throws {
        var file = MultibootFile.elf(is64: false)
        file.entry = 0x10_0001
        #expect(try load(file.bytes).entry == GuestAddress(0x10_0001))
    }

    @Test func addressFieldsComeBeforeThoseOfELF() throws {
        let header = MultibootFile(
            flags: 1 << 16,
            addresses: MultibootFile.Addresses(
                headerAddr: 0x20_0000, loadAddr: 0x20_0000, loadEndAddr: 0, bssEndAddr: 0, entryAddr: 0x20_0000))
        let image = try load(MultibootFile.elf(is64: false, header: header).bytes)
        #expect(image.entry == GuestAddress(0x20_0000))
        #expect(image.segments.count == 1)
    }

    /// Bits 0 and 1 ask for what every kernel gets, and bits from 17 up for nothing.
    @Test(arguments: [UInt32(1), 2, 3, 1 << 17, 0xfffe_0003])
    func flagsThatCanBeMet(flags: UInt32) throws {
        let file = MultibootFile.elf(is64: true, header: MultibootFile(flags: flags))
        #expect(try load(file.bytes).format == .multiboot)
    }

    @Test func aWrongChecksumBeforeARightOneIsNoHeader() throws {
        var file = MultibootFile.flat
        file.lead = MultibootFile(checksum: 7).header
        file.addresses?.headerAddr = 0x10_000c
        #expect(try load(file.bytes).format == .multiboot)
    }

    // MARK: Which format

    @Test func theLastPlaceForAHeader() throws {
        var file = MultibootFile.flat
        file.lead = [UInt8](repeating: 0, count: 8192 - 32)
        file.addresses?.headerAddr = 0x10_0000 + 8192 - 32
        #expect(try load(file.bytes).format == .multiboot)
        file.lead += [0, 0, 0, 0]
        #expect(throws: ImageError.multiboot(.headerTooFar(.one, offset: 8164))) { try load(file.bytes) }
        file.lead = [UInt8](repeating: 0, count: 8192 - 8)
        #expect(throws: ImageError.multiboot(.headerTooFar(.one, offset: 8184))) { try load(file.bytes) }
        #expect(throws: ImageError.multiboot(.headerTooFar(.one, offset: 8184))) {
            try load(file.bytes, as: .multiboot)
        }
        #expect(try load(file.bytes, as: .flat).format == .flat)
    }

    @Test func misalignedHeadersAreNone() throws {
        var file = MultibootFile.flat
        file.lead = [0, 0]
        #expect(try load(file.bytes).format == .flat)
        #expect(throws: ImageError.multiboot(.noHeader(.one))) { try load(file.bytes, as: .multiboot) }
    }

    @Test func whatItIsTakenForOverridesWhatItLooksLike() throws {
        #expect(try load(MultibootFile.elf(is64: true).bytes, as: .elf).format == .elf64)
        #expect(try load(MultibootFile.flat.bytes, as: .flat).format == .flat)
        #expect(throws: ImageError.notELF) { try load(MultibootFile.flat.bytes, as: .elf) }
        #expect(throws: ImageError.multiboot(.noHeader(.one))) { try load(ELFFile(is64: true).bytes, as: .multiboot) }
    }

    @Test(arguments: 0...12)
    func shortFilesAreFlat(count: Int) throws {
        let bytes = Array(MultibootFile().header.prefix(count))
        guard count == 12 else {
            #expect((try? load(bytes))?.format == (count == 0 ? nil : .flat))
            return
        }
        #expect(throws: ImageError.multiboot(.noAddresses)) { try load(bytes) }
    }
}
