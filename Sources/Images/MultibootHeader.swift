/// The magic number at the beginning of a multiboot header, by the version of the specification.
public enum MultibootMagic: UInt32, Sendable {
    /// Multiboot 1.
    case one = 0x1bad_b002
    /// Multiboot 2.
    case two = 0xe852_50d6

    /// The number of bytes at the start of the file in which the whole header must lie.
    var searched: Int { self == .one ? 8192 : 32768 }
    /// The alignment of the header in the file, in bytes.
    var alignment: Int { self == .one ? 4 : 8 }
    /// The number of bytes up to the end of the checksum. The doublewords in these bytes sum up to 0.
    var checkedSize: Int { self == .one ? 12 : 16 }

    /// A place in the file with the magic number, the checksum there, and the checksum with which the doublewords would sum up to 0.
    typealias Candidate = (offset: Int, checksum: UInt32, expected: UInt32)

    /// Returns the first header with a right checksum in a part of the file, or else the first place with the magic number.
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

    /// Returns the offset of the first header with a right checksum in a part of the file, or nil.
    func offset(in bytes: [UInt8], from start: Int, to end: Int) -> Int? {
        search(bytes, from: start, to: end).flatMap { $0.checksum == $0.expected ? $0.offset : nil }
    }

    /// The first aligned offset at which a header no longer ends within the bytes that loaders search.
    var late: Int { searched - checkedSize + alignment }

    /// Returns the offset of the header.
    ///
    /// - Throws: `ImageError.multiboot` if there is no header where loaders look for it, or if its checksum is wrong.
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

/// The header by which a file says that it is a multiboot 1 kernel (Multiboot Specification 0.6.96, 3.1). Names are the
/// specification's.
struct MultibootHeader {
    /// The address fields, which are there if bit 16 of `flags` is set: the physical addresses of the parts of a file that may
    /// be other than ELF (3.1.3).
    struct Addresses {
        var headerAddr: UInt32
        var loadAddr: UInt32
        /// The end of the loaded bytes, or 0 for the end of the file.
        var loadEndAddr: UInt32
        /// The end of the zeroed memory behind the loaded bytes, or 0 if there is none.
        var bssEndAddr: UInt32
        var entryAddr: UInt32
    }

    /// The offset of the header in the file.
    let offset: Int
    let addresses: Addresses?
    /// Whether the kernel wants to be told the video mode.
    let wantsVideoMode: Bool

    private enum Flags {
        /// The kernel wants to be told the video mode.
        static let videoMode: UInt32 = 1 << 2
        /// The requirements that are not known here. A loader must refuse a kernel with requirements that it does not know.
        static let unknownRequirements: UInt32 = 0xfff8
        static let hasAddresses: UInt32 = 1 << 16
    }

    /// The number of bytes up to the end of the address fields.
    private static let sizeWithAddresses = 32

    /// Reads the header of a file.
    ///
    /// - Throws: The reason why the file has no header, or why the header asks for something that is not there.
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
