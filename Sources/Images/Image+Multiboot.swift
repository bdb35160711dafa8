internal import Memslots

extension Image {
    /// A kernel for multiboot 1: ELF of either class, or any file whose header has the address fields, which come first where
    /// both are there. It starts in 32-bit protected mode, also where its ELF file is one of 64 bits.
    public static func multiboot(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try MultibootHeader(bytes)
        if let addresses = header.addresses {
            return try addressed(addresses, headerOffset: header.offset, fileSize: bytes.count)
        }
        guard bytes.starts(with: ELFHeader.magic) else { throw .multiboot(.noAddresses) }
        let image = try elf(bytes, as: .multiboot)
        guard image.entry.rawValue <= UInt64(UInt32.max) else {
            throw .multiboot(.entryAbove4GiB(entry: image.entry.rawValue))
        }
        return image
    }

    /// What the address fields say, one segment (3.1.3).
    private static func addressed(
        _ fields: MultibootHeader.Addresses, headerOffset: Int, fileSize: Int
    ) throws(ImageError) -> Image {
        guard fields.loadAddr <= fields.headerAddr else {
            throw .multiboot(.loadAboveHeader(loadAddr: fields.loadAddr, headerAddr: fields.headerAddr))
        }
        let lead = Int(fields.headerAddr - fields.loadAddr)
        guard lead <= headerOffset else {
            throw .multiboot(
                .loadBeforeFile(
                    loadAddr: fields.loadAddr, headerAddr: fields.headerAddr, headerOffset: headerOffset))
        }
        let start = headerOffset - lead
        let load = UInt64(fields.loadAddr)
        let loadEnd = fields.loadEndAddr == 0 ? load + UInt64(fileSize - start) : UInt64(fields.loadEndAddr)
        guard loadEnd > load else {
            throw .multiboot(.loadEndNotAboveLoad(loadEndAddr: fields.loadEndAddr, loadAddr: fields.loadAddr))
        }
        guard loadEnd - load <= UInt64(fileSize - start) else {
            throw .multiboot(
                .loadEndPastFile(
                    loadEndAddr: fields.loadEndAddr, needed: UInt64(start) + (loadEnd - load), fileSize: fileSize))
        }
        let end = fields.bssEndAddr == 0 ? loadEnd : UInt64(fields.bssEndAddr)
        guard end >= loadEnd else {
            throw .multiboot(.bssEndBelowLoadEnd(bssEndAddr: fields.bssEndAddr, loadEnd: loadEnd))
        }
        guard let range = GuestRange(first: GuestAddress(load), size: end - load), end <= 1 << 32 else {
            throw .multiboot(.loadPast4GiB(loadAddr: fields.loadAddr, end: end))
        }
        let entry = GuestAddress(UInt64(fields.entryAddr))
        guard range.contains(entry) else {
            throw .multiboot(.entryOutside(entryAddr: fields.entryAddr, range))
        }
        let segment = Segment(range: range, bytes: start..<start + Int(loadEnd - load))
        return Image(segments: [segment], entry: entry, mode: .protected, format: .multiboot)
    }
}
