public import Memslots

/// What to load for a guest and where to start it: a recipe that refers to the file's bytes and holds none.
public struct Image: Equatable, Sendable {
    /// What the file is.
    public enum Format: Equatable, Sendable {
        case flat, elf32, elf64
        /// A multiboot 1 kernel, whether it is ELF besides or not.
        case multiboot
        /// A multiboot 2 kernel, whether it is ELF besides or not.
        case multiboot2
        /// A Linux kernel (bzImage).
        case linux(LinuxHeader)
        /// An ELF file with an entry for the PVH boot protocol, which may be a Linux kernel.
        case pvh(isLinux: Bool)

        /// Whether a boot protocol starts it, with a command line and modules.
        public var isKernel: Bool {
            switch self {
            case .flat, .elf32, .elf64: false
            case .multiboot, .multiboot2, .linux, .pvh: true
            }
        }
    }

    /// What a file may be read as, whatever it looks like.
    public enum Reading: String, CaseIterable, Sendable {
        case multiboot, multiboot2, linux, pvh, elf, flat
    }

    /// In address order; they do not overlap, and there is at least one.
    public let segments: [Segment]
    /// Where the guest starts: a physical address, and with it the linear one.
    public let entry: GuestAddress
    /// The mode to start in, or nil where the format does not say.
    public let mode: CPUMode?
    public let format: Format
    /// Whether a multiboot kernel wants a video mode, which it does not get.
    public internal(set) var wantsVideoMode = false

    /// Reads `bytes` as what they are, unless told what to take them for: a multiboot kernel or a Linux kernel where they have its
    /// header, a PVH kernel where they are ELF with its note, ELF where they begin with its magic number, otherwise a flat binary to load and start at `flatLoadAddress`.
    ///
    /// - Throws: What is wrong with the file, or `ImageError.foreign` if it is of another kind that is known and not started here.
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
        // A wrong checksum, or a header where no loader looks for it, is an error and not another format.
        if one.search(bytes, from: 0, to: one.searched) != nil { return .multiboot }
        if LinuxHeader.marks(bytes) { return .linux }
        if let header = try? ELFHeader(bytes, isLoader32: true), header.pvhNotes(bytes) != nil { return .pvh }
        // First, because a file of such a format may hold a kernel.
        if let format = ForeignFormat(of: bytes) { throw .foreign(format) }
        if one.offset(in: bytes, from: one.late, to: bytes.count) != nil { return .multiboot }
        if two.offset(in: bytes, from: two.late, to: bytes.count) != nil { return .multiboot2 }
        return bytes.starts(with: ELFHeader.magic) ? .elf : .flat
    }

    /// A binary without headers: `byteCount` bytes that are loaded, and started, at `address`.
    public static func flat(byteCount: Int, at address: GuestAddress) throws(ImageError) -> Image {
        guard byteCount > 0 else { throw .empty }
        guard let range = GuestRange(first: address, size: UInt64(byteCount)) else {
            throw .flatImageWraps(address: address, byteCount: byteCount)
        }
        let segment = Segment(range: range, bytes: 0..<byteCount)
        return Image(segments: [segment], entry: address, mode: nil, format: .flat)
    }
}
