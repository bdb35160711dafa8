internal import Memslots

/// A program header (`Elf32_Phdr`, `Elf64_Phdr`); names are TIS ELF 1.2's without prefix.
struct ELFProgramHeader {
    /// The `p_type` values that matter here.
    enum SegmentType: UInt32 {
        case load = 1
        case dynamic = 2
        case interp = 3
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

    /// Reads the whole table, so that a file cut short is called that before any segment is looked at.
    static func table(_ bytes: [UInt8], _ header: ELFHeader) throws(ImageError) -> [ELFProgramHeader] {
        var table: [ELFProgramHeader] = []
        for index in 0..<Int(header.phnum) {
            table.append(try ELFProgramHeader(bytes, header, index: index))
        }
        return table
    }

    private init(_ bytes: [UInt8], _ header: ELFHeader, index: Int) throws(ImageError) {
        let elfClass = header.elfClass
        let size = Int(elfClass.programHeaderSize)
        let (start, overflow) = header.phoff.addingReportingOverflow(UInt64(index * size))
        var reader = try ByteReader(bytes, .programHeader(index), at: overflow ? .max : start, count: size)

        self.index = index
        type = SegmentType(rawValue: try reader.read(UInt32.self))
        // p_flags stands here in the 64-bit header, and near the end of the 32-bit one.
        if elfClass == .elf64 { try reader.skip(MemoryLayout<UInt32>.size) }
        offset = try reader.readWord(elfClass)
        vaddr = try reader.readWord(elfClass)
        paddr = try reader.readWord(elfClass)
        filesz = try reader.readWord(elfClass)
        memsz = try reader.readWord(elfClass)
    }

    /// What it loads from a file of `fileSize` bytes, in an address space that ends at `highest`.
    func segment(fileSize: Int, highest: UInt64) throws(ImageError) -> Segment {
        guard filesz <= memsz else {
            throw .segmentLargerInFile(index: index, filesz: filesz, memsz: memsz)
        }
        guard let range = GuestRange(first: GuestAddress(paddr), size: memsz), range.last.rawValue <= highest else {
            throw .segmentWraps(index: index, paddr: paddr, memsz: memsz, highest: highest)
        }
        return Segment(range: range, bytes: try fileBytes(fileSize: fileSize))
    }

    private func fileBytes(fileSize: Int) throws(ImageError) -> Range<Int> {
        // Linkers let the offset of a segment without file bytes point anywhere.
        guard filesz > 0 else { return 0..<0 }
        let (end, overflow) = offset.addingReportingOverflow(filesz)
        guard !overflow, end <= UInt64(fileSize) else {
            throw .segmentPastEndOfFile(index: index, offset: offset, filesz: filesz, fileSize: fileSize)
        }
        return Int(offset)..<Int(end)
    }
}
