internal import Memslots

/// A program header (`Elf32_Phdr`, `Elf64_Phdr`). Fields have their names of TIS ELF 1.2, without the prefix.
struct ELFProgramHeader {
    /// The `p_type` values that matter here.
    enum SegmentType: UInt32 {
        case load = 1
        case dynamic = 2
        case interp = 3
        case note = 4
    }

    /// The index of the header in its table, for messages.
    let index: Int
    /// The type, or nil if it is none of those that matter here.
    let type: SegmentType?
    let offset: UInt64
    let vaddr: UInt64
    let paddr: UInt64
    let filesz: UInt64
    let memsz: UInt64

    init(_ bytes: [UInt8], _ header: ELFHeader, index: Int) throws(ImageError) {
        let size = Int(header.programHeaderSize)
        let (start, overflow) = header.phoff.addingReportingOverflow(UInt64(index * size))
        let part = try FilePart(bytes, "program header \(index)", at: overflow ? .max : start, count: size)
        // All fields behind `p_type` are as wide as addresses. In a 64-bit header `p_flags` fills the gap behind `p_type`. In a
        // 32-bit header it comes behind the fields that are read here.
        func field(_ number: Int) -> UInt64 {
            part.address(at: number * (header.is64 ? 8 : 4), is64: header.is64)
        }
        self.index = index
        type = SegmentType(rawValue: part[0])
        (offset, vaddr, paddr, filesz, memsz) = (field(1), field(2), field(3), field(4), field(5))
    }

    /// Returns the segment of an image that this header describes.
    ///
    /// - Parameters:
    ///   - fileSize: The size of the file in bytes.
    ///   - highest: The last address that the file's class can name.
    func segment(fileSize: Int, highest: UInt64) throws(ImageError) -> Segment {
        guard filesz <= memsz else {
            throw .segmentLargerInFile(index: index, filesz: filesz, memsz: memsz)
        }
        guard let range = GuestRange(first: GuestAddress(paddr), size: memsz), range.last.rawValue <= highest else {
            throw .segmentWraps(index: index, paddr: paddr, memsz: memsz, highest: highest)
        }
        // A linker may give any offset to a segment without bytes in the file.
        guard filesz > 0 else { return Segment(range: range, bytes: 0..<0) }
        let (end, overflow) = offset.addingReportingOverflow(filesz)
        guard !overflow, end <= UInt64(fileSize) else {
            throw .segmentPastEndOfFile(index: index, offset: offset, filesz: filesz, fileSize: fileSize)
        }
        return Segment(range: range, bytes: Int(offset)..<Int(end))
    }
}
