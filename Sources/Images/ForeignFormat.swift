/// A known file format that cannot be started here. As a flat binary, such a file would run bytes that are no code, and a guest
/// that halted soon would look like a success.
public enum ForeignFormat: Equatable, Sendable {
    /// A program for EFI or Windows (PE).
    case portableExecutable
    /// A compressed file, with the name of the method.
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

    /// Recognises the format of a file, or returns nil.
    init?(of bytes: [UInt8]) {
        func has(_ magic: some Collection<UInt8>, at offset: Int) -> Bool {
            offset >= 0 && offset <= bytes.count && bytes[offset...].starts(with: magic)
        }
        let isBootable = has([0x55, 0xaa], at: 0x1fe)
        if let match = Self.compressed.first(where: { has($0.magic, at: 0) }) {
            self = .compressed(match.method)
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
}

extension ForeignFormat: CustomStringConvertible {
    /// What the file is, and what the user can do.
    public var description: String {
        switch self {
        case .portableExecutable: "a program for EFI or Windows (PE), and there is no EFI here: link it as ELF"
        case .compressed(let method): "a file compressed by \(method): uncompress it first"
        case .isoImage: "the image of a CD (ISO 9660), and there is no CD drive here: take the kernel out of it"
        case .bootSector:
            "a boot sector (0x55 0xaa at its end), and there is no BIOS here: take the kernel that it loads. If it calls no BIOS, it is a "
                + "flat file for real mode at 0x7c00"
        }
    }
}
