internal import Memslots

extension Image {
    /// Returns the image of a statically linked executable for x86. Each PT_LOAD lies at its `p_paddr`.
    ///
    /// `e_entry` is a virtual address. The guest starts at the physical address that the segment around `e_entry` gives it.
    ///
    /// - Parameters:
    ///   - format: The format of a kernel that a loader starts in 32-bit code, or nil for another executable.
    ///   - entry: The physical address of the entry if a multiboot header or the PVH note gives it, otherwise nil.
    static func elf(
        _ bytes: [UInt8], as format: Format? = nil, entry: GuestAddress? = nil
    ) throws(ImageError) -> Image {
        let isLoader32 = format != nil
        let header = try ELFHeader(bytes, isLoader32: isLoader32)
        let loads = try loadable(header, bytes)
        let known = entry
        let entry = if let known { known } else { try entryPoint(header, loads, isLoader32: isLoader32) }
        guard loads.contains(where: { $0.segment.range.contains(entry) }) else {
            throw .entryOutsideSegments(entry: entry.rawValue)
        }
        let segments = loads.map(\.segment).sorted { $0.range.first < $1.range.first }
        for (lower, upper) in zip(segments, segments.dropFirst()) where lower.range.overlaps(upper.range) {
            throw .segmentsOverlap(lower.range, upper.range)
        }
        return Image(
            segments: segments, entry: entry, mode: header.is64 && !isLoader32 ? .long : .protected,
            format: format ?? (header.is64 ? .elf64 : .elf32))
    }

    private typealias Load = (header: ELFProgramHeader, segment: Segment)

    /// Returns the segments that take memory, in the order of the program headers.
    private static func loadable(_ header: ELFHeader, _ bytes: [UInt8]) throws(ImageError) -> [Load] {
        // Reads the whole table before it looks at any segment, so that a file that was cut short is reported as such.
        var table: [ELFProgramHeader] = []
        for index in 0..<Int(header.phnum) {
            table.append(try ELFProgramHeader(bytes, header, index: index))
        }
        var loads: [Load] = []
        // The names of sections are only for messages. They are left out where the search for them would be long.
        let namesSections = Int(header.phnum) * Int(header.shnum) <= 1 << 16
        for programHeader in table {
            switch programHeader.type {
            case .load where programHeader.memsz > 0:
                var segment = try programHeader.segment(fileSize: bytes.count, highest: header.highestAddress)
                let name = namesSections ? header.firstSection(of: programHeader, bytes) : nil
                let section = name.map { " (\($0))" } ?? ""
                segment.name = "segment \(programHeader.index)\(section)"
                loads.append((programHeader, segment))
            case .interp, .dynamic: throw .needsDynamicLoader(index: programHeader.index)
            case .load, .note, nil: continue
            }
        }
        guard !loads.isEmpty else { throw .nothingToLoad }
        return loads
    }

    /// Returns the guest-physical address of `e_entry`. A kernel that is linked high, but is started by a loader without
    /// paging, may have a physical address in `e_entry`.
    private static func entryPoint(
        _ header: ELFHeader, _ loads: [Load], isLoader32: Bool
    ) throws(ImageError) -> GuestAddress {
        for load in loads {
            let (offset, isBelow) = header.entry.subtractingReportingOverflow(load.header.vaddr)
            if !isBelow, offset < load.header.memsz, let entry = load.segment.range.first.advanced(by: offset) {
                return entry
            }
        }
        let entry = GuestAddress(header.entry)
        if isLoader32, loads.contains(where: { $0.segment.range.contains(entry) }) { return entry }
        throw .entryOutsideSegments(entry: header.entry)
    }
}
