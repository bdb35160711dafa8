/// The header by which a file says that it is a kernel for multiboot 1 (Multiboot Specification 0.6.96, 3.1); names are the
/// specification's.
struct MultibootHeader {
    static let magic: UInt32 = 0x1bad_b002
    /// The header lies, whole, within so many bytes from the start of the file.
    static let searched = 8192

    /// The fields that flags bit 16 announces: where a file that is not ELF has its parts (3.1.3). Physical addresses.
    struct Addresses {
        let headerAddr: UInt32
        let loadAddr: UInt32
        /// 0: up to the end of the file.
        let loadEndAddr: UInt32
        /// 0: nothing behind what is loaded.
        let bssEndAddr: UInt32
        let entryAddr: UInt32
    }

    /// Where the header lies in the file.
    let offset: Int
    let addresses: Addresses?

    private enum Flags {
        /// The kernel wants to be told the video mode.
        static let videoMode: UInt32 = 1 << 2
        /// What a loader that does not know it must refuse.
        static let unknownRequirements: UInt32 = 0xfff8
        static let hasAddresses: UInt32 = 1 << 16
    }

    /// Bytes of the three fields that every header has, and of those with the addresses.
    private static let size = 12
    private static let sizeWithAddresses = 32

    /// Reads the header of a file, or throws why it has none that can be met.
    init(_ bytes: [UInt8]) throws(ImageError) {
        guard let found = Self.search(bytes, from: 0, to: Self.searched) else {
            let late = Self.search(bytes, from: Self.searched - Self.size + 4, to: bytes.count)
            guard let late, late.checksum == late.expected else { throw .multiboot(.noHeader) }
            throw .multiboot(.headerTooFar(offset: late.offset))
        }
        offset = found.offset
        guard found.checksum == found.expected else {
            throw .multiboot(.wrongChecksum(offset: offset, checksum: found.checksum, expected: found.expected))
        }
        let flags = found.flags
        if flags & Flags.unknownRequirements != 0 {
            throw .multiboot(.unknownRequirements(flags: flags, bits: flags & Flags.unknownRequirements))
        }
        guard flags & Flags.videoMode == 0 else { throw .multiboot(.videoMode(flags: flags)) }
        guard flags & Flags.hasAddresses != 0 else {
            addresses = nil
            return
        }
        guard offset + Self.sizeWithAddresses <= Self.searched else { throw .multiboot(.headerTooFar(offset: offset)) }
        let header = try FilePart(bytes, "the multiboot header", at: UInt64(offset), count: Self.sizeWithAddresses)
        addresses = Addresses(
            headerAddr: header[12], loadAddr: header[16], loadEndAddr: header[20], bssEndAddr: header[24],
            entryAddr: header[28])
    }

    /// Whether a file has the magic number where a header would be: a wrong checksum behind it is an error, not another format.
    static func isAnnounced(in bytes: [UInt8]) -> Bool {
        search(bytes, from: 0, to: searched) != nil
    }

    /// A place with the magic number; `expected` is the checksum with which the three fields sum up to 0.
    private typealias Candidate = (offset: Int, flags: UInt32, checksum: UInt32, expected: UInt32)

    /// The first header whose checksum is right, at a multiple of 4 bytes; else the first magic number.
    private static func search(_ bytes: [UInt8], from start: Int, to end: Int) -> Candidate? {
        var first: Candidate?
        for offset in stride(from: start, through: min(end, bytes.count) - size, by: 4)
        where bytes[offset] == UInt8(truncatingIfNeeded: magic) {
            guard let header = try? FilePart(bytes, "the multiboot header", at: UInt64(offset), count: size),
                header[0] == magic
            else { continue }
            let flags: UInt32 = header[4]
            let candidate = Candidate(offset, flags, header[8], 0 &- magic &- flags)
            if candidate.checksum == candidate.expected { return candidate }
            first = first ?? candidate
        }
        return first
    }
}
