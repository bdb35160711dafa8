import Memslots
import Testing

@testable import Images

/// One broken field at a time, in a file that is otherwise good.
@Suite struct MultibootErrorTests {
    private func refusal(_ breakFile: (inout MultibootFile) -> Void) -> MultibootError? {
        var file = MultibootFile.flat
        breakFile(&file)
        return refusal(of: file.bytes)
    }

    private func refusal(of bytes: [UInt8]) -> MultibootError? {
        do throws(ImageError) {
            _ = try Image.load(bytes, flatLoadAddress: GuestAddress(0x10000))
            return nil
        } catch {
            guard case .multiboot(let error) = error else { return nil }
            return error
        }
    }

    @Test func wrongChecksum() {
        let expected = 0 &- UInt32(0x1bad_b002) &- 0x10000
        #expect(
            refusal { $0.checksum = 5 } == .wrongChecksum(offset: 8, checksum: 5, expected: expected))
        let elf = MultibootFile.elf(is64: true, header: MultibootFile(checksum: 0))
        #expect(refusal(of: elf.bytes) != nil)
    }

    @Test(arguments: 3...15)
    func requirementsThatNobodyKnows(bit: UInt32) {
        let flags: UInt32 = 1 << 16 | 1 << bit
        #expect(refusal { $0.flags = flags } == .unknownRequirements(flags: flags, bits: 1 << bit))
    }

    @Test func videoModeIsNotedAndNotMet() throws {
        var file = MultibootFile.flat
        #expect(try Image.multiboot(file.bytes).wantsVideoMode == false)
        file.flags |= 4
        #expect(try Image.multiboot(file.bytes).wantsVideoMode)
    }

    @Test func flatFileWithoutAddresses() {
        #expect(refusal { $0.flags = 0 } == .noAddresses)
    }

    @Test func loadAboveTheHeader() {
        #expect(
            refusal { $0.addresses?.loadAddr = 0x10_0009 }
                == .loadAboveHeader(loadAddr: 0x10_0009, headerAddr: 0x10_0008))
    }

    @Test func loadBeforeTheFile() {
        #expect(
            refusal { $0.addresses?.headerAddr = 0x10_0009 }
                == .loadBeforeFile(loadAddr: 0x10_0000, headerAddr: 0x10_0009, headerOffset: 8))
    }

    @Test func loadEndThatLies() {
        #expect(
            refusal { $0.addresses?.loadEndAddr = 0x10_0000 }
                == .loadEndNotAboveLoad(loadEndAddr: 0x10_0000, loadAddr: 0x10_0000))
        let size = MultibootFile.flat.bytes.count
        #expect(
            refusal { $0.addresses?.loadEndAddr = 0x10_0000 + UInt32(size) + 1 }
                == .loadEndPastFile(
                    loadEndAddr: 0x10_0000 + UInt32(size) + 1, needed: UInt64(size) + 1, fileSize: size))
        #expect(
            refusal { $0.addresses?.loadEndAddr = .max }
                == .loadEndPastFile(loadEndAddr: .max, needed: 0xffef_ffff, fileSize: size))
    }

    @Test func bssEndThatLies() {
        let size = UInt64(MultibootFile.flat.bytes.count)
        #expect(
            refusal { $0.addresses?.bssEndAddr = 0x10_0001 }
                == .bssEndBelowLoadEnd(bssEndAddr: 0x10_0001, loadEnd: 0x10_0000 + size))
    }

    @Test func loadPast4GiB() {
        let error = refusal {
            $0.addresses = MultibootFile.Addresses(
                headerAddr: 0xffff_fff8, loadAddr: 0xffff_fff0, loadEndAddr: 0, bssEndAddr: 0,
                entryAddr: 0xffff_fff0)
        }
        #expect(
            error
                == .loadPast4GiB(
                    loadAddr: 0xffff_fff0, end: 0xffff_fff0 + UInt64(MultibootFile.flat.bytes.count)))
    }

    @Test(arguments: [UInt32(0), 0xf_ffff, 0x11_0000, .max])
    func entryOutside(entry: UInt32) throws {
        let range = try #require(GuestRange(first: GuestAddress(0x10_0000), size: 0x10000))
        #expect(refusal { $0.addresses?.entryAddr = entry } == .entryOutside(entryAddr: entry, range))
    }

    @Test func entryAbove4GiB() {
        var file = MultibootFile.elf(is64: true)
        file.segments[0].paddr = 1 << 32
        #expect(refusal(of: file.bytes) == .entryAbove4GiB(entry: 1 << 32 | 2))
    }

    @Test func headerCutByTheEndOfTheFile() throws {
        let bytes = Array(MultibootFile.flat.bytes.prefix(8 + 20))
        #expect(throws: ImageError.truncated("the multiboot header", offset: 8, needed: 32, fileSize: 28)) {
            try Image.multiboot(bytes)
        }
    }

    @Test(
        arguments: [
            .noHeader(.one), .noHeader(.two), .headerTooFar(.one, offset: 9000), .headerTooFar(.two, offset: 32768),
            .wrongChecksum(offset: 8184, checksum: .max, expected: .max),
            .unknownRequirements(flags: .max, bits: 0xfff8), .noAddresses,
            .loadAboveHeader(loadAddr: .max, headerAddr: 0x10_0000),
            .loadBeforeFile(loadAddr: 0, headerAddr: .max, headerOffset: 8180),
            .loadEndNotAboveLoad(loadEndAddr: .max, loadAddr: .max),
            .loadEndPastFile(loadEndAddr: .max, needed: 1 << 32, fileSize: 1 << 20),
            .bssEndBelowLoadEnd(bssEndAddr: .max, loadEnd: 1 << 32), .loadPast4GiB(loadAddr: .max, end: 1 << 33),
            .entryOutside(entryAddr: .max, .everything), .entryAbove4GiB(entry: .max),
            .architecture(.max), .badTag(type: .max, size: .max), .unknownTag(type: .max),
            .unknownInformation([7, 8, 9]), .noEntryTag,
        ] as [MultibootError])
    func descriptionIsOneLine(error: MultibootError) {
        #expect(!error.description.contains("\n"))
        #expect(error.description.count < 160)
        #expect(ImageError.multiboot(error).description == error.description)
    }
}
