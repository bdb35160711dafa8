public import Memslots

/// The parts of a file to load for a guest, and the place to start the guest at. An image refers to the file's bytes and holds none.
public struct Image: Equatable, Sendable {
    /// The format of a file.
    public enum Format: Equatable, Sendable {
        /// A flat binary, or an ELF file of 32 or 64 bits that no boot protocol starts.
        case flat, elf32, elf64
        /// A multiboot 1 kernel, which may be an ELF file too.
        case multiboot
        /// A multiboot 2 kernel, which may be an ELF file too.
        case multiboot2
        /// A Linux kernel (bzImage).
        case linux(LinuxHeader)
        /// An ELF file with an entry for the PVH boot protocol. It may be a Linux kernel.
        case pvh(isLinux: Bool)

        /// Whether a boot protocol starts the file, and gives it a command line and modules.
        public var isKernel: Bool {
            switch self {
            case .flat, .elf32, .elf64: false
            case .multiboot, .multiboot2, .linux, .pvh: true
            }
        }
    }

    /// A format that the user may demand, whatever the file looks like.
    public enum Reading: String, CaseIterable, Sendable {
        /// A kernel for a boot loader: by multiboot 1 or 2, by Linux's boot protocol, or by the entry for PVH.
        case multiboot, multiboot2, linux, pvh
        /// A file that is loaded where its segments say, or a flat one.
        case elf, flat
    }

    /// The segments in the order of their addresses. There is at least one, and they do not overlap.
    public let segments: [Segment]
    /// The address at which the guest starts. It is the physical address and the linear one.
    public let entry: GuestAddress
    /// The mode in which the guest starts, or nil if the format does not say it.
    public let mode: CPUMode?
    /// The format of the file.
    public let format: Format
    /// Whether a multiboot kernel wants a video mode, which it does not get.
    public internal(set) var wantsVideoMode = false

    /// Reads the bytes of a file.
    ///
    /// Without `reading`, a file with a multiboot or Linux header is a kernel of that kind, an ELF file with the PVH note is a
    /// PVH kernel, another file that begins with the ELF magic number is ELF, and everything else is a flat binary.
    ///
    /// - Parameters:
    ///   - reading: The format to take the bytes for, or nil to recognise it.
    ///   - flatLoadAddress: The address at which a flat binary is loaded and started.
    /// - Throws: What is wrong with the file, or `ImageError.foreign` if it has another known format that cannot be started here.
    public static func load(
        _ bytes: [UInt8], as reading: Reading? = nil, flatLoadAddress: GuestAddress
    ) throws(ImageError) -> Image {
        let kind = if let reading { reading } else { try self.reading(of: bytes) }
        return switch kind {
        case .multiboot: try multiboot(bytes)
        case .multiboot2: try multiboot2(bytes)
        case .linux: try linux(bytes)
        case .pvh: try pvh(bytes)
        case .elf: try elf(bytes)
        case .flat: try flat(byteCount: bytes.count, at: flatLoadAddress)
        }
    }

    private static func reading(of bytes: [UInt8]) throws(ImageError) -> Reading {
        let (one, two) = (MultibootMagic.one, MultibootMagic.two)
        if one.offset(in: bytes, from: 0, to: one.searched) != nil { return .multiboot }
        if two.offset(in: bytes, from: 0, to: two.searched) != nil { return .multiboot2 }
        // A header with a wrong checksum, or where no loader looks for it, is an error. It does not make the file one of
        // another format.
        if one.search(bytes, from: 0, to: one.searched) != nil { return .multiboot }
        if LinuxHeader.marks(bytes) { return .linux }
        if let header = try? ELFHeader(bytes, isLoader32: true), header.pvhNotes(bytes) != nil { return .pvh }
        // Foreign formats come before late headers, because a file of such a format may contain a kernel.
        if let format = ForeignFormat(of: bytes) { throw .foreign(format) }
        if one.offset(in: bytes, from: one.late, to: bytes.count) != nil { return .multiboot }
        if two.offset(in: bytes, from: two.late, to: bytes.count) != nil { return .multiboot2 }
        return bytes.starts(with: ELFHeader.magic) ? .elf : .flat
    }

    /// Returns the image of a flat binary: `byteCount` bytes without headers that are loaded, and started, at `address`.
    public static func flat(byteCount: Int, at address: GuestAddress) throws(ImageError) -> Image {
        guard byteCount > 0 else { throw .empty }
        guard let range = GuestRange(first: address, size: UInt64(byteCount)) else {
            throw .flatImageWraps(address: address, byteCount: byteCount)
        }
        let segment = Segment(range: range, bytes: 0..<byteCount)
        return Image(segments: [segment], entry: address, mode: nil, format: .flat)
    }
}
