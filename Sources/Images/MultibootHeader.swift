/// The magic number at the beginning of a multiboot header, by the version of the specification.
public enum MultibootMagic: UInt32, Sendable {
    case one = 0x1bad_b002
    case two = 0xe852_50d6

    /// The header lies, whole, within so many bytes from the start of the file.
    var searched: Int { self == .one ? 8192 : 32768 }
    /// The header begins at a multiple of so many bytes.
    var alignment: Int { self == .one ? 4 : 8 }
    /// Bytes up to the end of the checksum, with which they sum up to 0 as doublewords.
    var checkedSize: Int { self == .one ? 12 : 16 }

    /// A place with the magic number. With the checksum `expected` the checked fields sum up to 0.
    typealias Candidate = (offset: Int, checksum: UInt32, expected: UInt32)

    /// Returns the first header in a part of the file whose checksum is right, or else the first magic number.
    func search(_ bytes: [UInt8], from start: Int, to end: Int) -> Candidate? {
        var first: Candidate?
        for offset in stride(from: start, through: min(end, bytes.count) - checkedSize, by: alignment)
        where bytes[offset] == UInt8(truncatingIfNeeded: rawValue) {
            guard let header = try? FilePart(bytes, "the multiboot header", at: UInt64(offset), count: checkedSize),
                header[0] == rawValue
            else { continue }
            let sum = stride(from: 0, to: checkedSize - 4, by: 4).reduce(UInt32(0)) { $0 &+ header[$1] }
            let candidate = Candidate(offset, header[checkedSize - 4], 0 &- sum)
            if candidate.checksum == candidate.expected { return candidate }
            first = first ?? candidate
        }
        return first
    }

    /// Returns the offset of a header whose checksum is right, wherever it lies in a part of the file.
    func offset(in bytes: [UInt8], from start: Int, to end: Int) -> Int? {
        search(bytes, from: start, to: end).flatMap { $0.checksum == $0.expected ? $0.offset : nil }
    }

    /// Where headers begin that do not end within the first bytes.
    var late: Int { searched - checkedSize + alignment }

    /// Returns the offset of the header. Throws if there is none where loaders look for it, or if its checksum is wrong.
    func find(in bytes: [UInt8]) throws(ImageError) -> Int {
        guard let found = search(bytes, from: 0, to: searched) else {
            guard let late = offset(in: bytes, from: late, to: bytes.count) else { throw .multiboot(.noHeader(self)) }
            throw .multiboot(.headerTooFar(self, offset: late))
        }
        guard found.checksum == found.expected else {
            throw .multiboot(
                .wrongChecksum(offset: found.offset, checksum: found.checksum, expected: found.expected))
        }
        return found.offset
    }
}

/// The header by which a file says that it is a kernel for multiboot 1 (Multiboot Specification 0.6.96, 3.1); names are the
/// specification's.
struct MultibootHeader {
    /// The fields that flags bit 16 announces: where a file that is not ELF has its parts (3.1.3). Physical addresses.
    struct Addresses {
        var headerAddr: UInt32
        var loadAddr: UInt32
        /// 0: up to the end of the file.
        var loadEndAddr: UInt32
        /// 0: nothing behind what is loaded.
        var bssEndAddr: UInt32
        var entryAddr: UInt32
    }

    /// Where the header lies in the file.
    let offset: Int
    let addresses: Addresses?
    /// Whether the kernel wants to be told a video mode.
    let wantsVideoMode: Bool

    private enum Flags {
        /// The kernel wants to be told the video mode.
        static let videoMode: UInt32 = 1 << 2
        /// What a loader that does not know it must refuse.
        static let unknownRequirements: UInt32 = 0xfff8
        static let hasAddresses: UInt32 = 1 << 16
    }

    /// Bytes of the fields up to those with the addresses.
    private static let sizeWithAddresses = 32

    /// Reads the header of a file, or throws why it has none that can be met.
    init(_ bytes: [UInt8]) throws(ImageError) {
        offset = try MultibootMagic.one.find(in: bytes)
        let flags: UInt32 = try FilePart(bytes, "the multiboot header", at: UInt64(offset), count: 12)[4]
        if flags & Flags.unknownRequirements != 0 {
            throw .multiboot(.unknownRequirements(flags: flags, bits: flags & Flags.unknownRequirements))
        }
        wantsVideoMode = flags & Flags.videoMode != 0
        guard flags & Flags.hasAddresses != 0 else {
            addresses = nil
            return
        }
        guard offset + Self.sizeWithAddresses <= MultibootMagic.one.searched else {
            throw .multiboot(.headerTooFar(.one, offset: offset))
        }
        let header = try FilePart(bytes, "the multiboot header", at: UInt64(offset), count: Self.sizeWithAddresses)
        addresses = Addresses(
            headerAddr: header[12], loadAddr: header[16], loadEndAddr: header[20], bssEndAddr: header[24],
            entryAddr: header[28])
    }
}
