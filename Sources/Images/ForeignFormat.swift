/// A kind of file that is known and not started here. Its bytes would be no code where a flat file has code, and one that halts soon would
/// look like success.
public enum ForeignFormat: Equatable, Sendable {
    /// An ELF file with the note of a PVH entry (XEN_ELFNOTE_PHYS32_ENTRY).
    case pvh
    /// A Linux kernel with its setup code (Documentation/arch/x86/boot.rst).
    case linuxKernel
    /// A program for EFI or Windows (PE).
    case portableExecutable
    /// A compressed file, by the name of the method.
    case compressed(String)
    /// The image of a CD (ISO 9660).
    case isoImage
    /// A boot sector of a BIOS.
    case bootSector
}

extension ForeignFormat {
    private static let compressed: [(method: String, magic: [UInt8])] = [
        ("gzip", [0x1f, 0x8b, 8]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]), ("zstd", [0x28, 0xb5, 0x2f, 0xfd]),
    ]

    /// Recognises a file, or returns nil.
    init?(of bytes: [UInt8]) {
        func has(_ magic: some Collection<UInt8>, at offset: Int) -> Bool {
            offset >= 0 && offset <= bytes.count && bytes[offset...].starts(with: magic)
        }
        let isBootable = has([0x55, 0xaa], at: 0x1fe)
        if bytes.starts(with: ELFHeader.magic) {
            guard Self.hasPVHNote(bytes) else { return nil }
            self = .pvh
        } else if let match = Self.compressed.first(where: { has($0.magic, at: 0) }) {
            self = .compressed(match.method)
        } else if isBootable, has("HdrS".utf8, at: 0x202) {
            self = .linuxKernel
        } else if has("MZ".utf8, at: 0), let part = try? FilePart(bytes, "e_lfanew", at: 0x3c, count: 4),
            let offset = Int(exactly: part[0] as UInt32), has([0x50, 0x45, 0, 0], at: offset)
        {
            self = .portableExecutable
        } else if has("CD001".utf8, at: 0x8001) {
            self = .isoImage
        } else if isBootable {
            self = .bootSector
        } else {
            return nil
        }
    }

    /// Whether an ELF file has a note of `Xen` with type 18. A file that is no good ELF file has none.
    private static func hasPVHNote(_ bytes: [UInt8]) -> Bool {
        guard let header = try? ELFHeader(bytes, isMultiboot: true) else { return false }
        // Kernels have a few notes.
        var notes = 0
        for index in 0..<Int(header.phnum) {
            guard let segment = try? ELFProgramHeader(bytes, header, index: index) else { return false }
            guard segment.type == .note, segment.filesz <= UInt64(bytes.count) else { continue }
            var (position, left) = (segment.offset, segment.filesz)
            while left >= 12, notes < 10_000, let note = try? FilePart(bytes, "a note", at: position, count: 12) {
                notes += 1
                let (nameSize, size, type): (UInt32, UInt32, UInt32) = (note[0], note[4], note[8])
                let name = try? FilePart(bytes, "the name of a note", at: position &+ 12, count: 4)
                // "Xen" and the zero behind it.
                if type == 18, nameSize == 4, name?[0] == UInt32(0x006e_6558) { return true }
                let length = 12 + (UInt64(nameSize) + 3) / 4 * 4 + (UInt64(size) + 3) / 4 * 4
                guard length <= left else { break }
                (position, left) = (position + length, left - length)
            }
        }
        return false
    }
}

extension ForeignFormat: CustomStringConvertible {
    /// What the file is, and what to do.
    public var description: String {
        switch self {
        case .pvh:
            "an ELF file for the PVH boot protocol (a note of Xen, type 18), which is not spoken here: give it a multiboot header"
        case .linuxKernel: "a Linux kernel (bzImage), which is not started here"
        case .portableExecutable: "a program for EFI or Windows (PE), and there is no EFI here: link it as ELF"
        case .compressed(let method): "a file compressed by \(method): uncompress it first"
        case .isoImage: "the image of a CD (ISO 9660), and there is no CD drive here: take the kernel out of it"
        case .bootSector:
            "a boot sector (0x55 0xaa at its end), and there is no BIOS here: take the kernel that it loads. If it calls no BIOS, it is a "
                + "flat file for real mode at 0x7c00"
        }
    }
}
