internal import Memslots

/// A program header (`Elf32_Phdr`, `Elf64_Phdr`); names are TIS ELF 1.2's without prefix.
struct ELFProgramHeader {
    /// The `p_type` values that matter here.
    enum SegmentType: UInt32 {
        case load = 1
        case dynamic = 2
        case interp = 3
        case note = 4
    }

    /// Its place in the table, for messages.
    let index: Int
    /// Nil for a type that takes no memory.
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
        // Behind the type all are as wide as addresses: p_flags fills the gap in the 64-bit header, and ends the 32-bit one.
        func field(_ number: Int) -> UInt64 {
            part.address(at: number * (header.is64 ? 8 : 4), is64: header.is64)
        }
        self.index = index
        type = SegmentType(rawValue: part[0])
        (offset, vaddr, paddr, filesz, memsz) = (field(1), field(2), field(3), field(4), field(5))
    }

    /// What it loads from a file of `fileSize` bytes, in an address space that ends at `highest`.
    func segment(fileSize: Int, highest: UInt64) throws(ImageError) -> Segment {
        guard filesz <= memsz else {
            throw .segmentLargerInFile(index: index, filesz: filesz, memsz: memsz)
        }
        guard let range = GuestRange(first: GuestAddress(paddr), size: memsz), range.last.rawValue <= highest else {
            throw .segmentWraps(index: index, paddr: paddr, memsz: memsz, highest: highest)
        }
        // Linkers let the offset of a segment without file bytes point anywhere.
        guard filesz > 0 else { return Segment(range: range, bytes: 0..<0) }
        let (end, overflow) = offset.addingReportingOverflow(filesz)
        guard !overflow, end <= UInt64(fileSize) else {
            throw .segmentPastEndOfFile(index: index, offset: offset, filesz: filesz, fileSize: fileSize)
        }
        return Segment(range: range, bytes: Int(offset)..<Int(end))
    }
}
