import Images
import Memslots
import Testing

@Suite struct ImageErrorTests {
    @Test func descriptionNamesTheThingTheLimitAndTheRemedy() {
        let wraps = ImageError.segmentWraps(index: 1, paddr: 0xffff_f001, memsz: 4096, highest: 0xffff_ffff)
        #expect(wraps.description == "segment 1: 4096 bytes at 0xfffff001 pass 0xffffffff: link it lower")
        let header = ImageError.truncated("the ELF header", offset: 0, needed: 64, fileSize: 20)
        #expect(header.description == "the ELF header needs 64 bytes at 0x0, the file has 20: it was cut")
    }

    @Test(
        arguments: [
            .empty, .flatImageWraps(address: GuestAddress(.max), byteCount: 2), .notELF,
            .truncated("program header 3", offset: 64, needed: 56, fileSize: 70), .unsupportedClass(0),
            .notLittleEndian(2), .unsupportedVersion(2), .positionIndependent, .notExecutable(type: 1),
            .unsupportedMachine(183),
            .longModeInELF32, .protectedModeInELF64, .programHeaderSize(0, expected: 56), .tooManyProgramHeaders,
            .nothingToLoad, .needsDynamicLoader(index: 0), .segmentLargerInFile(index: 0, filesz: 2, memsz: 1),
            .segmentPastEndOfFile(index: 0, offset: 64, filesz: 9, fileSize: 70),
            .segmentWraps(index: 0, paddr: .max, memsz: 2, highest: .max),
            .segmentsOverlap(.everything, .everything), .entryOutsideSegments(entry: 0),
            .linux(field: "xloadflags", value: 0, rule: "XLF_KERNEL_64 (bit 0) is missing, build it for x86-64"),
            .noPVHEntry,
        ] as [ImageError])
    func descriptionIsOneLine(error: ImageError) {
        #expect(!error.description.contains("\n"))
        #expect(error.description.count < 140)
    }
}
