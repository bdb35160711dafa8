internal import Memslots

extension Image {
    /// Returns the image of a multiboot 1 kernel: an ELF file of either class, or any file whose header has the address fields.
    /// If an ELF file has address fields too, these are used. The kernel starts in 32-bit protected mode, even from a 64-bit ELF file.
    static func multiboot(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try MultibootHeader(bytes)
        var image = try kernel(bytes, .multiboot, header.addresses, headerOffset: header.offset)
        image.wantsVideoMode = header.wantsVideoMode
        return image
    }

    /// Returns the image of a multiboot 2 kernel: an ELF file, or any file whose header has address tags, as with multiboot 1.
    /// The header may also give the entry of an ELF file.
    static func multiboot2(_ bytes: [UInt8]) throws(ImageError) -> Image {
        let header = try Multiboot2Header(bytes)
        var image = try kernel(
            bytes, .multiboot2, header.addresses, headerOffset: header.offset, entry: header.entry)
        image.wantsVideoMode = header.wantsVideoMode
        return image
    }

    private static func kernel(
        _ bytes: [UInt8], _ format: Format, _ addresses: MultibootHeader.Addresses?, headerOffset: Int,
        entry: UInt32? = nil
    ) throws(ImageError) -> Image {
        do throws(MultibootError) {
            if let addresses {
                return try addressed(addresses, format, headerOffset: headerOffset, fileSize: bytes.count)
            }
            guard bytes.starts(with: ELFHeader.magic) else { throw .noAddresses }
        } catch {
            throw .multiboot(error)
        }
        let image = try elf(bytes, as: format, entry: entry.map { GuestAddress(UInt64($0)) })
        guard image.entry.rawValue <= UInt64(UInt32.max) else {
            throw .multiboot(.entryAbove4GiB(entry: image.entry.rawValue))
        }
        return image
    }

    /// Returns the image that the address fields describe, which has one segment (3.1.3).
    private static func addressed(
        _ fields: MultibootHeader.Addresses, _ format: Format, headerOffset: Int, fileSize: Int
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
        return Image(segments: [segment], entry: entry, mode: .protected, format: format)
    }
}
