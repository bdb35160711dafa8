internal import Memslots

extension Image {
    /// A statically linked executable for x86: each PT_LOAD lies at its `p_paddr`.
    ///
    /// `e_entry` is a virtual address; the guest starts at the physical address that its segment gives it.
    public static func elf(_ bytes: [UInt8]) throws(ImageError) -> Image {
        try elf(bytes, as: .own)
    }

    static func elf(_ bytes: [UInt8], as start: ELFHeader.Start) throws(ImageError) -> Image {
        let header = try ELFHeader(bytes, as: start)
        let loads = try loadable(header, bytes)
        let entry = try entryPoint(header, loads, start)
        let segments = try inAddressOrder(loads.map(\.segment))
        let isMultiboot = start == .multiboot
        return Image(
            segments: segments, entry: entry, mode: isMultiboot ? .protected : header.mode,
            format: isMultiboot ? .multiboot : header.format)
    }

    private typealias Load = (header: ELFProgramHeader, segment: Segment)

    /// The segments that take memory, in the order of the file.
    private static func loadable(_ header: ELFHeader, _ bytes: [UInt8]) throws(ImageError) -> [Load] {
        var loads: [Load] = []
        for programHeader in try ELFProgramHeader.table(bytes, header) {
            switch programHeader.type {
            case .load where programHeader.memsz > 0:
                let segment = try programHeader.segment(fileSize: bytes.count, highest: header.highestAddress)
                loads.append((programHeader, segment))
            case .interp, .dynamic:
                throw .needsDynamicLoader(index: programHeader.index)
            case .load, nil:
                continue
            }
        }
        guard !loads.isEmpty else { throw .nothingToLoad }
        return loads
    }

    /// Where `e_entry` lies in guest-physical memory. Kernels that multiboot starts without paging, though they are linked high,
    /// may give it as a physical address.
    private static func entryPoint(
        _ header: ELFHeader, _ loads: [Load], _ start: ELFHeader.Start
    ) throws(ImageError) -> GuestAddress {
        for load in loads {
            let (offset, isBelow) = header.entry.subtractingReportingOverflow(load.header.vaddr)
            if !isBelow, offset < load.header.memsz, let entry = load.segment.range.first.advanced(by: offset) {
                return entry
            }
        }
        let entry = GuestAddress(header.entry)
        if start == .multiboot, loads.contains(where: { $0.segment.range.contains(entry) }) { return entry }
        throw .entryOutsideSegments(entry: header.entry)
    }

    /// The segments sorted, once it is sure that no two share memory.
    private static func inAddressOrder(_ segments: [Segment]) throws(ImageError) -> [Segment] {
        let ordered = segments.sorted { $0.range.first < $1.range.first }
        for (lower, upper) in zip(ordered, ordered.dropFirst()) where lower.range.overlaps(upper.range) {
            throw .segmentsOverlap(lower.range, upper.range)
        }
        return ordered
    }
}
