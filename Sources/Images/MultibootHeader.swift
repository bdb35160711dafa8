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
        switch Self.search(bytes, from: 0, to: Self.searched) {
        case .found(let offset): try self.init(bytes, at: offset)
        case .wrongChecksum(let offset, let checksum, let expected):
            throw .multiboot(.wrongChecksum(offset: offset, checksum: checksum, expected: expected))
        case .absent:
            guard case .found(let offset) = Self.search(bytes, from: Self.searched - Self.size + 4, to: bytes.count)
            else {
                throw .multiboot(.noHeader)
            }
            throw .multiboot(.headerTooFar(offset: offset))
        }
    }

    private init(_ bytes: [UInt8], at offset: Int) throws(ImageError) {
        var reader = try ByteReader(bytes, .multibootHeader, at: UInt64(offset), count: Self.size)
        _ = try reader.read(UInt32.self)  // magic
        let flags = try reader.read(UInt32.self)
        if flags & Flags.unknownRequirements != 0 {
            throw .multiboot(.unknownRequirements(flags: flags, bits: flags & Flags.unknownRequirements))
        }
        guard flags & Flags.videoMode == 0 else { throw .multiboot(.videoMode(flags: flags)) }
        self.offset = offset
        guard flags & Flags.hasAddresses != 0 else {
            addresses = nil
            return
        }
        guard offset + Self.sizeWithAddresses <= Self.searched else { throw .multiboot(.headerTooFar(offset: offset)) }
        var fields = try ByteReader(bytes, .multibootHeader, at: UInt64(offset), count: Self.sizeWithAddresses)
        try fields.skip(Self.size)
        addresses = Addresses(
            headerAddr: try fields.read(UInt32.self), loadAddr: try fields.read(UInt32.self),
            loadEndAddr: try fields.read(UInt32.self), bssEndAddr: try fields.read(UInt32.self),
            entryAddr: try fields.read(UInt32.self))
    }

    /// Whether a file has the magic number where a header would be: a wrong checksum behind it is an error, not another format.
    static func isAnnounced(in bytes: [UInt8]) -> Bool {
        if case .absent = search(bytes, from: 0, to: searched) { false } else { true }
    }

    private enum Finding {
        case absent
        case found(offset: Int)
        case wrongChecksum(offset: Int, checksum: UInt32, expected: UInt32)
    }

    /// The first header whose checksum is right, at a multiple of 4 bytes; else the first magic number.
    private static func search(_ bytes: [UInt8], from start: Int, to end: Int) -> Finding {
        func word(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        var finding = Finding.absent
        for offset in stride(from: start, through: min(end, bytes.count) - size, by: 4) {
            guard bytes[offset] == UInt8(truncatingIfNeeded: magic), word(offset) == magic else { continue }
            // The three sum up to 0.
            let expected = 0 &- magic &- word(offset + 4)
            if word(offset + 8) == expected { return .found(offset: offset) }
            if case .absent = finding {
                finding = .wrongChecksum(offset: offset, checksum: word(offset + 8), expected: expected)
            }
        }
        return finding
    }
}
