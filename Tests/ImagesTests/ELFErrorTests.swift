import Memslots
import Testing

@testable import Images

/// One broken field at a time, in a file that is otherwise good.
@Suite struct ELFErrorTests {
    private func refusal(is64: Bool = true, _ breakFile: (inout ELFFile) -> Void) -> ImageError? {
        var file = ELFFile(is64: is64)
        breakFile(&file)
        return refusal(of: file.bytes)
    }

    private func refusal(of bytes: [UInt8]) -> ImageError? {
        do throws(ImageError) {
            _ = try Image.elf(bytes)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Identification

    @Test func wrongMagicNumber() {
        #expect(refusal { $0.magic[0] = 0 } == .notELF)
        #expect(refusal(of: []) == .notELF)
    }

    @Test(arguments: [UInt8(0), 3])
    func wrongClass(value: UInt8) {
        #expect(refusal { $0.elfClass = value } == .unsupportedClass(value))
    }

    @Test(arguments: [UInt8(0), 2])
    func wrongByteOrder(value: UInt8) {
        #expect(refusal { $0.data = value } == .notLittleEndian(value))
    }

    @Test func wrongVersion() {
        #expect(refusal { $0.identVersion = 0 } == .unsupportedVersion(0))
        #expect(refusal { $0.version = 2 } == .unsupportedVersion(2))
    }

    // MARK: ELF header

    @Test func truncatedIdentification() {
        let bytes = Array(ELFFile(is64: true).bytes.prefix(15))
        #expect(refusal(of: bytes) == .truncated("the ELF header", offset: 0, needed: 16, fileSize: 15))
    }

    @Test(arguments: [false, true])
    func truncatedHeader(is64: Bool) {
        let size = ELFFile(is64: is64).headerSize
        let bytes = Array(ELFFile(is64: is64).bytes.prefix(size - 1))
        #expect(refusal(of: bytes) == .truncated("the ELF header", offset: 0, needed: size, fileSize: size - 1))
    }

    @Test func positionIndependentExecutable() {
        #expect(refusal { $0.type = 3 } == .positionIndependent)
    }

    @Test(arguments: [UInt16(0), 1, 4])
    func notAnExecutable(type: UInt16) {
        #expect(refusal { $0.type = type } == .notExecutable(type: type))
    }

    @Test func foreignMachine() {
        #expect(refusal { $0.machine = 183 } == .unsupportedMachine(183))
    }

    @Test func longModeMachineIn32BitFile() {
        #expect(refusal(is64: false) { $0.machine = 62 } == .longModeInELF32)
    }

    @Test func protectedModeMachineIn64BitFile() {
        #expect(refusal { $0.machine = 3 } == .protectedModeInELF64)
    }

    @Test func wrongProgramHeaderSize() {
        #expect(refusal { $0.phentsize = 32 } == .programHeaderSize(32, expected: 56))
        #expect(refusal(is64: false) { $0.phentsize = 0 } == .programHeaderSize(0, expected: 32))
    }

    @Test func extendedProgramHeaderCount() {
        #expect(refusal { $0.phnum = 0xffff } == .tooManyProgramHeaders)
    }

    @Test func noProgramHeaders() {
        #expect(refusal { $0.phnum = 0 } == .nothingToLoad)
    }

    // MARK: Program headers

    @Test func truncatedProgramHeader() {
        let file = ELFFile(is64: true)
        let bytes = Array(file.bytes.prefix(file.contentsOffset - 1))
        #expect(refusal(of: bytes) == .truncated("program header 1", offset: 120, needed: 56, fileSize: 175))
    }

    @Test func programHeadersPastTheEnd() {
        let size = ELFFile(is64: true).bytes.count
        let expected = ImageError.truncated("program header 0", offset: 0x1000, needed: 56, fileSize: size)
        #expect(refusal { $0.phoff = 0x1000 } == expected)
    }

    @Test func programHeadersThatWrap() {
        let size = ELFFile(is64: true).bytes.count
        let expected = ImageError.truncated("program header 0", offset: .max, needed: 56, fileSize: size)
        #expect(refusal { $0.phoff = .max } == expected)
    }

    @Test(arguments: [UInt32(2), 3])
    func dynamicLoaderNeeded(type: UInt32) {
        #expect(refusal { $0.segments[1].type = type } == .needsDynamicLoader(index: 1))
    }

    @Test func nothingButEmptySegments() {
        let error = refusal {
            $0.segments[0].memsz = 0
            $0.segments[1].type = 4
        }
        #expect(error == .nothingToLoad)
    }

    // MARK: Segments

    @Test func segmentLargerInTheFile() {
        #expect(refusal { $0.segments[0].memsz = 2 } == .segmentLargerInFile(index: 0, filesz: 3, memsz: 2))
    }

    @Test func segmentPastTheEndOfTheFile() {
        let size = ELFFile(is64: true).bytes.count
        let expected = ImageError.segmentPastEndOfFile(
            index: 1, offset: UInt64(size - 3), filesz: 4, fileSize: size)
        #expect(refusal { $0.segments[1].offset = UInt64(size - 3) } == expected)
    }

    @Test func segmentOffsetThatWraps() {
        let size = ELFFile(is64: true).bytes.count
        let expected = ImageError.segmentPastEndOfFile(index: 1, offset: .max, filesz: 4, fileSize: size)
        #expect(refusal { $0.segments[1].offset = .max } == expected)
    }

    @Test func segmentThatWraps() {
        let expected = ImageError.segmentWraps(index: 1, paddr: .max, memsz: 0x1000, highest: .max)
        #expect(refusal { $0.segments[1].paddr = .max } == expected)
    }

    @Test func segmentThatWrapsAt32Bits() {
        let expected = ImageError.segmentWraps(
            index: 1, paddr: 0xffff_f001, memsz: 0x1000, highest: 0xffff_ffff)
        #expect(refusal(is64: false) { $0.segments[1].paddr = 0xffff_f001 } == expected)
    }

    @Test func segmentsThatOverlap() throws {
        let code = try #require(GuestRange(first: GuestAddress(0x10_0000), size: 3))
        let data = try #require(GuestRange(first: GuestAddress(0x10_0002), size: 0x1000))
        #expect(refusal { $0.segments[1].paddr = 0x10_0002 } == .segmentsOverlap(code, data))
    }

    @Test(arguments: [UInt64(0), 0x10_0002, 0xc010_0003, 0xc010_3000, .max])
    func entryInNoSegment(entry: UInt64) {
        #expect(refusal { $0.entry = entry } == .entryOutsideSegments(entry: entry))
    }
}
