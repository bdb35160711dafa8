/// Builds tiny ELF files, right or wrong, field by field.
struct ELFFile {
    /// A program header and what stands in the file behind it.
    struct Segment {
        var type: UInt32 = 1
        var offset: UInt64?
        var vaddr: UInt64
        var paddr: UInt64
        var contents: [UInt8] = []
        var filesz: UInt64?
        var memsz: UInt64
    }

    var is64: Bool
    var magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
    var elfClass: UInt8
    var data: UInt8 = 1
    var identVersion: UInt8 = 1
    var type: UInt16 = 2
    var machine: UInt16
    var version: UInt32 = 1
    var entry: UInt64
    var phoff: UInt64?
    var phentsize: UInt16?
    var phnum: UInt16?
    var segments: [Segment]

    /// A good file: code at 1 MiB that is linked 0xc0000000 higher, and behind a gap data that ends in zeros.
    init(is64: Bool) {
        self.is64 = is64
        elfClass = is64 ? 2 : 1
        machine = is64 ? 62 : 3
        entry = 0xc010_0002
        segments = [
            Segment(vaddr: 0xc010_0000, paddr: 0x10_0000, contents: [0x90, 0x90, 0xf4], memsz: 3),
            Segment(vaddr: 0xc010_2000, paddr: 0x10_2000, contents: [1, 2, 3, 4], memsz: 0x1000),
        ]
    }

    var headerSize: Int { is64 ? 64 : 52 }
    var programHeaderSize: Int { is64 ? 56 : 32 }

    /// Where the contents of the first segment stand.
    var contentsOffset: Int { headerSize + segments.count * programHeaderSize }

    var bytes: [UInt8] {
        var file = magic + [elfClass, data, identVersion]
        file += [UInt8](repeating: 0, count: 16 - file.count)
        append(type, to: &file)
        append(machine, to: &file)
        append(version, to: &file)
        appendWord(entry, to: &file)
        appendWord(phoff ?? UInt64(headerSize), to: &file)
        appendWord(0, to: &file)
        append(UInt32(0), to: &file)
        append(UInt16(headerSize), to: &file)
        append(phentsize ?? UInt16(programHeaderSize), to: &file)
        append(phnum ?? UInt16(segments.count), to: &file)
        file += [UInt8](repeating: 0, count: 6)

        var offset = contentsOffset
        for segment in segments {
            append(segment, at: offset, to: &file)
            offset += segment.contents.count
        }
        return file + segments.flatMap(\.contents)
    }

    private func append(_ segment: Segment, at offset: Int, to file: inout [UInt8]) {
        append(segment.type, to: &file)
        if is64 { append(UInt32(7), to: &file) }
        appendWord(segment.offset ?? UInt64(offset), to: &file)
        appendWord(segment.vaddr, to: &file)
        appendWord(segment.paddr, to: &file)
        appendWord(segment.filesz ?? UInt64(segment.contents.count), to: &file)
        appendWord(segment.memsz, to: &file)
        if !is64 { append(UInt32(7), to: &file) }
        appendWord(0x1000, to: &file)
    }

    private func append<Value: FixedWidthInteger>(_ value: Value, to file: inout [UInt8]) {
        for byte in 0..<Value.bitWidth / 8 {
            file.append(UInt8(truncatingIfNeeded: value >> (8 * byte)))
        }
    }

    private func appendWord(_ value: UInt64, to file: inout [UInt8]) {
        if is64 {
            append(value, to: &file)
        } else {
            append(UInt32(truncatingIfNeeded: value), to: &file)
        }
    }
}
