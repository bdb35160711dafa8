internal import Memslots

extension Image {
    /// A kernel for multiboot 1: ELF of either class, or any file whose header has the address fields, which come first where
    /// both are there. It starts in 32-bit protected mode, also where its ELF file is one of 64 bits.
    static func multiboot(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try MultibootHeader(bytes)
        do throws(MultibootError) {
            if let addresses = header.addresses {
                return try addressed(addresses, headerOffset: header.offset, fileSize: bytes.count)
            }
            guard bytes.starts(with: ELFHeader.magic) else { throw .noAddresses }
        } catch {
            throw .multiboot(error)
        }
        let image = try elf(bytes, isMultiboot: true)
        guard image.entry.rawValue <= UInt64(UInt32.max) else {
            throw .multiboot(.entryAbove4GiB(entry: image.entry.rawValue))
        }
        return image
    }

    /// What the address fields say, one segment (3.1.3).
    private static func addressed(
        _ fields: MultibootHeader.Addresses, headerOffset: Int, fileSize: Int
    ) throws(MultibootError) -> Image {
        let (loadAddr, headerAddr, loadEndAddr) = (fields.loadAddr, fields.headerAddr, fields.loadEndAddr)
        guard loadAddr <= headerAddr else { throw .loadAboveHeader(loadAddr: loadAddr, headerAddr: headerAddr) }
        let start = headerOffset - Int(headerAddr - loadAddr)
        guard start >= 0 else {
            throw .loadBeforeFile(loadAddr: loadAddr, headerAddr: headerAddr, headerOffset: headerOffset)
        }
        let load = UInt64(loadAddr)
        let loadEnd = loadEndAddr == 0 ? load + UInt64(fileSize - start) : UInt64(loadEndAddr)
        guard loadEnd > load else { throw .loadEndNotAboveLoad(loadEndAddr: loadEndAddr, loadAddr: loadAddr) }
        let needed = UInt64(start) + (loadEnd - load)
        guard needed <= UInt64(fileSize) else {
            throw .loadEndPastFile(loadEndAddr: loadEndAddr, needed: needed, fileSize: fileSize)
        }
        let end = fields.bssEndAddr == 0 ? loadEnd : UInt64(fields.bssEndAddr)
        guard end >= loadEnd else { throw .bssEndBelowLoadEnd(bssEndAddr: fields.bssEndAddr, loadEnd: loadEnd) }
        guard let range = GuestRange(first: GuestAddress(load), size: end - load), end <= 1 << 32 else {
            throw .loadPast4GiB(loadAddr: loadAddr, end: end)
        }
        let entry = GuestAddress(UInt64(fields.entryAddr))
        guard range.contains(entry) else { throw .entryOutside(entryAddr: fields.entryAddr, range) }
        let segment = Segment(range: range, bytes: start..<Int(needed))
        return Image(segments: [segment], entry: entry, mode: .protected, format: .multiboot)
    }
}
