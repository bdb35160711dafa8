import Memslots
import Testing

@testable import Images

/// Files that are known, and would be taken for flat ones if they were not.
@Suite struct ForeignFormatTests {
    private static func file(_ parts: [(Int, [UInt8])], size: Int = 1024) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xf4, count: size)
        for (offset, part) in parts { bytes.replaceSubrange(offset..<offset + part.count, with: part) }
        return bytes
    }

    /// An ELF file with a note segment.
    static func elf(name: String, type: UInt32, is64: Bool = true, before: [UInt8] = []) -> [UInt8] {
        var file = ELFFile(is64: is64)
        let note = [UInt32(name.utf8.count + 1), 4, type].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }
        let contents = before + note + Array(name.utf8) + [0, 0, 0, 0, 0]
        file.segments.append(
            ELFFile.Segment(type: 4, vaddr: 0, paddr: 0, contents: contents, memsz: UInt64(contents.count)))
        return file.bytes
    }

    private static let boot: (Int, [UInt8]) = (0x1fe, [0x55, 0xaa])
    private static let samples: [(ForeignFormat, [UInt8])] = [
        (.bootSector, file([boot], size: 512)),
        (.portableExecutable, file([(0, Array("MZ".utf8)), (0x3c, [0x80, 0, 0, 0]), (0x80, [0x50, 0x45, 0, 0])])),
        (.compressed("gzip"), file([(0, [0x1f, 0x8b, 8])])),
        (.compressed("zstd"), file([(0, [0x28, 0xb5, 0x2f, 0xfd])])),
        (.compressed("xz"), file([(0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])])),
        (.isoImage, file([boot, (0x8001, Array("CD001".utf8))], size: 0x9000)),
    ]

    @Test(arguments: samples)
    func isRefusedByName(format: ForeignFormat, bytes: [UInt8]) throws {
        #expect(throws: ImageError.foreign(format)) { try Image.load(bytes, flatLoadAddress: GuestAddress(0x7c00)) }
        #expect(try Image.load(bytes, as: .flat, flatLoadAddress: GuestAddress(0x7c00)).format == .flat)
        #expect(!ImageError.foreign(format).description.contains("\n"))
    }

    @Test(
        arguments: [
            file([(0x1fe, [0xaa, 0x55])]), file([(0x202, Array("HdrS".utf8))]), file([(0, Array("MZ".utf8))]),
            file([(0, Array("MZ".utf8)), (0x3c, [0xff, 0xff, 0xff, 0xff])]), [0x1f, 0x8b], [0x55, 0xaa],
            file([(0, Array("MZ".utf8))], size: 0x3d),
        ])
    func isFlat(bytes: [UInt8]) throws {
        #expect(try Image.load(bytes, flatLoadAddress: GuestAddress(0x10000)).format == .flat)
    }

    @Test(
        arguments: [
            elf(name: "Xen", type: 17), elf(name: "GNU", type: 18), elf(name: "Xen", type: 18, before: [0xff]),
            elf(name: "Xen", type: 18, before: [0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 1, 0, 0, 0]),
        ])
    func isELF(bytes: [UInt8]) throws {
        #expect(try Image.load(bytes, flatLoadAddress: GuestAddress(0x10000)).format == .elf64)
    }

    @Test func aMultibootHeaderBehind8KiB() {
        for lead in [8192 - 12 + 4, 8192, 100_000] {
            var file = MultibootFile.flat
            file.lead = [UInt8](repeating: 0xf4, count: lead)
            #expect(throws: ImageError.multiboot(.headerTooFar(.one, offset: lead))) {
                try Image.load(file.bytes, flatLoadAddress: GuestAddress(0x10000))
            }
        }
    }
}

/// The names by which a segment is told to people.
@Suite struct SegmentNameTests {
    /// Adds section headers for these sections to a file, behind an empty one and before the one with their names.
    private func file(_ sections: [(name: String, address: UInt64, flags: UInt64)], is64: Bool) -> [UInt8] {
        var bytes = ELFFile(is64: is64).bytes
        func little(_ value: some BinaryInteger, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        let word = is64 ? 8 : 4
        let names = sections.reduce([UInt8(0)]) { $0 + Array($1.name.utf8) + [0] }
        let namesOffset = bytes.count
        bytes += names
        let headers = bytes.count
        var name = 1
        bytes += [UInt8](repeating: 0, count: is64 ? 64 : 40)
        for section in sections + [("", 0, 0)] {
            let offset = section.name.isEmpty ? namesOffset : 0
            bytes += little(name, 4) + little(1, 4) + little(section.flags, word) + little(section.address, word)
            bytes += little(offset, word) + little(0, word * 2 + 8) + little(0, word)
            name += section.name.utf8.count + 1
        }
        bytes.replaceSubrange((is64 ? 40 : 32)..<(is64 ? 48 : 36), with: little(headers, word))
        let number = is64 ? 60 : 48
        bytes.replaceSubrange(number..<number + 4, with: little(sections.count + 2, 2) + little(sections.count + 1, 2))
        return bytes
    }

    @Test(arguments: [false, true])
    func theFirstSectionNamesASegment(is64: Bool) throws {
        let bytes = file(
            [(".text", 0xc010_0001, 6), (".note.gnu.build-id", 0xc010_0000, 2), (".debug", 0xc010_0000, 0)],
            is64: is64)
        let names = try Image.load(bytes, flatLoadAddress: GuestAddress(0)).segments.map(\.name)
        #expect(names == ["segment 0 (.note.gnu.build-id)", "segment 1"])
    }

    @Test(arguments: [false, true])
    func withoutSectionsThereIsANumber(is64: Bool) throws {
        let names = try Image.load(ELFFile(is64: is64).bytes, flatLoadAddress: GuestAddress(0)).segments.map(\.name)
        #expect(names == ["segment 0", "segment 1"])
    }
}
