/// The header by which a file says that it is a multiboot 2 kernel (Multiboot2 Specification 2.0, 3.1). Names are the
/// specification's.
struct Multiboot2Header {
    /// The offset of the header in the file.
    let offset: Int
    /// The addresses from the address tag and the entry address tag, or nil if there is no address tag.
    private(set) var addresses: MultibootHeader.Addresses?
    /// The entry from the entry address tag, or nil if there is none.
    private(set) var entry: UInt32?
    /// Whether the kernel asks for a video mode or a text console.
    private(set) var wantsVideoMode = false

    private enum Tag {
        static let end: UInt16 = 0
        static let informationRequest: UInt16 = 1
        static let address: UInt16 = 2
        static let entryAddress: UInt16 = 3
        static let consoleFlags: UInt16 = 4
        static let framebuffer: UInt16 = 5
        static let moduleAlignment: UInt16 = 6
        /// The tags for EFI boot services and for entries under EFI, which a loader without EFI does not use.
        static let efi: ClosedRange<UInt16> = 7...9
    }

    /// The types of the tags that kernels get as boot information (3.6): command line, loader name, modules, memory sizes, memory map.
    private static let given: Set<UInt32> = [1, 2, 3, 4, 6]

    /// Reads the header of a file.
    ///
    /// - Throws: The reason why the file has no header, or why the header asks for something that is not there.
    init(_ bytes: [UInt8]) throws(ImageError) {
        offset = try MultibootMagic.two.find(in: bytes)
        let header = try FilePart(bytes, "the multiboot header", at: UInt64(offset), count: 16)
        let (architecture, length): (UInt32, UInt32) = (header[4], header[8])
        guard architecture == 0 else { throw .multiboot(.architecture(architecture)) }
        guard UInt64(offset) + UInt64(length) <= UInt64(MultibootMagic.two.searched) else {
            throw .multiboot(.headerTooFar(.two, offset: offset))
        }
        var position = 16
        while position + 8 <= Int(length) {
            let place = UInt64(offset + position)
            let tag = try FilePart(bytes, "a tag of the multiboot header", at: place, count: 8)
            let (type, flags, size): (UInt16, UInt16, UInt32) = (tag[0], tag[2], tag[4])
            guard size >= 8, Int(size) <= Int(length) - position else {
                throw .multiboot(.badTag(type: type, size: size))
            }
            if type == Tag.end { break }
            let body = try FilePart(bytes, "a tag of the multiboot header", at: place + 8, count: Int(size) - 8)
            try read(type, isOptional: flags & 1 != 0, body, size)
            position += (Int(size) + 7) / 8 * 8
        }
        if let entry { addresses?.entryAddr = entry }
        guard addresses == nil || entry != nil else { throw .multiboot(.noEntryTag) }
    }

    private mutating func read(
        _ type: UInt16, isOptional: Bool, _ body: FilePart, _ size: UInt32
    ) throws(ImageError) {
        let sizes: [UInt16: UInt32] = [Tag.address: 24, Tag.entryAddress: 12]
        guard size >= sizes[type] ?? 8 else { throw .multiboot(.badTag(type: type, size: size)) }
        switch type {
        case Tag.informationRequest:
            let types = stride(from: 0, to: Int(size) - 11, by: 4).map { body[$0] as UInt32 }
            let missing = types.filter { !Self.given.contains($0) }
            guard missing.isEmpty || isOptional else { throw .multiboot(.unknownInformation(missing)) }
        case Tag.address:
            let headerAddr: UInt32 = body[0]
            var loadAddr: UInt32 = body[4]
            // All ones mean that the file is loaded from its beginning.
            if loadAddr == .max { loadAddr = headerAddr &- UInt32(offset) }
            addresses = MultibootHeader.Addresses(
                headerAddr: headerAddr, loadAddr: loadAddr, loadEndAddr: body[8], bssEndAddr: body[12], entryAddr: 0)
        case Tag.entryAddress: entry = body[0]
        case Tag.consoleFlags, Tag.framebuffer: wantsVideoMode = true
        case Tag.moduleAlignment, Tag.efi: break
        default: guard isOptional else { throw .multiboot(.unknownTag(type: type)) }
        }
    }
}
