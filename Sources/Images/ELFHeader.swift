/// The ELF header (`Elf32_Ehdr`, `Elf64_Ehdr`) of an executable that can run here. Fields have their names of TIS ELF 1.2,
/// without the prefix.
struct ELFHeader {
    static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]

    /// Whether addresses have 64 bits (EI_CLASS is ELFCLASS64) instead of 32 (ELFCLASS32).
    let is64: Bool
    /// The virtual address of the first instruction.
    let entry: UInt64
    /// The file offset of the program headers.
    let phoff: UInt64
    let phnum: UInt16
    /// The file offset of the section headers.
    private let shoff: UInt64
    /// The number of section headers.
    let shnum: UInt16
    /// The index of the section that holds the names of all sections.
    private let shstrndx: UInt16

    /// The size of a program header in bytes. `e_phentsize` must equal it.
    var programHeaderSize: UInt16 { is64 ? 56 : 32 }

    /// The last address that a file of this class can name.
    var highestAddress: UInt64 { is64 ? .max : UInt64(UInt32.max) }

    /// Reads the header at the start of a file.
    ///
    /// - Parameter isLoader32: Whether multiboot or PVH starts the file in 32-bit code. Such a file may continue in either
    ///   mode, so its `e_machine` need not match its class.
    /// - Throws: The reason why the file cannot run here.
    init(_ bytes: [UInt8], isLoader32: Bool) throws(ImageError) {
        is64 = try Self.is64(bytes)
        let header = try FilePart(bytes, "the ELF header", at: 0, count: is64 ? 64 : 52)
        let (type, machine, version): (UInt16, UInt16, UInt32) = (header[16], header[18], header[20])
        let phentsize: UInt16 = header[is64 ? 54 : 42]
        entry = header.address(at: 24, is64: is64)
        phoff = header.address(at: is64 ? 32 : 28, is64: is64)
        phnum = header[is64 ? 56 : 44]
        shoff = header.address(at: is64 ? 40 : 32, is64: is64)
        shnum = header[is64 ? 60 : 48]
        shstrndx = header[is64 ? 62 : 50]

        guard version == Self.currentVersion else { throw .unsupportedVersion(version) }
        guard type != FileType.dyn else { throw .positionIndependent }
        guard type == FileType.exec else { throw .notExecutable(type: type) }
        guard machine == Machine.i386 || machine == Machine.amd64 else { throw .unsupportedMachine(machine) }
        guard isLoader32 || is64 || machine == Machine.i386 else { throw .longModeInELF32 }
        guard isLoader32 || !is64 || machine == Machine.amd64 else { throw .protectedModeInELF64 }
        guard phnum > 0 else { throw .nothingToLoad }
        // PN_XNUM: a section header holds the real number of program headers.
        guard phnum != 0xffff else { throw .tooManyProgramHeaders }
        guard phentsize == programHeaderSize else {
            throw .programHeaderSize(phentsize, expected: programHeaderSize)
        }
    }

    /// Checks `e_ident`, which has the same layout in both classes. Returns whether the class is ELFCLASS64.
    private static func is64(_ bytes: [UInt8]) throws(ImageError) -> Bool {
        guard bytes.starts(with: magic) else { throw .notELF }
        _ = try FilePart(bytes, "the ELF header", at: 0, count: 16)
        let (fileClass, data, version) = (bytes[4], bytes[5], bytes[6])
        guard fileClass == 1 || fileClass == 2 else { throw .unsupportedClass(fileClass) }
        // ELFDATA2LSB is the byte order of x86.
        guard data == 1 else { throw .notLittleEndian(data) }
        guard version == currentVersion else { throw .unsupportedVersion(UInt32(version)) }
        return fileClass == 2
    }

    /// EV_CURRENT, the only version there ever was.
    private static let currentVersion = 1

    /// The values of `e_type` that are told apart.
    private enum FileType {
        static let exec = 2
        static let dyn = 3
    }

    /// The values of `e_machine` for x86: EM_386 and EM_X86_64.
    private enum Machine {
        static let i386 = 3
        static let amd64 = 62
    }
}

extension ELFHeader {
    /// Returns the name of the section at the lowest address in a segment, for messages. Returns nil if no section with memory
    /// begins there, or if the section headers are missing or wrong.
    func firstSection(of segment: ELFProgramHeader, _ bytes: [UInt8]) -> String? {
        var first: (address: UInt64, name: UInt32)?
        func section(_ index: UInt16) -> ELFSection? {
            try? ELFSection(bytes, table: shoff, index: Int(index), is64: is64)
        }
        for index in 0..<shnum {
            guard let section = section(index) else { return nil }
            guard section.isAllocated, section.address >= segment.vaddr,
                section.address - segment.vaddr < segment.memsz, section.address < first?.address ?? .max
            else { continue }
            first = (section.address, section.name)
        }
        guard let first, let names = section(shstrndx) else { return nil }
        let (start, wraps) = names.offset.addingReportingOverflow(UInt64(first.name))
        guard !wraps, start < UInt64(bytes.count) else { return nil }
        let name = bytes[Int(start)...].prefix(64).prefix { $0 > 0x20 && $0 < 0x7f }
        return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
    }
}

/// The fields of a section header (`Elf32_Shdr`, `Elf64_Shdr`) that are needed here.
struct ELFSection {
    /// The offset of the section's name among the names of sections.
    let name: UInt32
    let type: UInt32
    /// Whether the section takes memory when the program runs (SHF_ALLOC).
    let isAllocated: Bool
    /// Whether the section holds code (SHF_EXECINSTR).
    let isCode: Bool
    let address: UInt64
    let offset: UInt64
    let size: Int
    let link: Int

    init(_ bytes: [UInt8], table: UInt64, index: Int, is64: Bool) throws(ImageError) {
        let size = is64 ? 64 : 40
        let (start, overflow) = table.addingReportingOverflow(UInt64(index * size))
        let part = try FilePart(bytes, "section header \(index)", at: overflow ? .max : start, count: size)
        (name, type) = (part[0], part[4])
        let flags = part.address(at: 8, is64: is64)
        (isAllocated, isCode) = (flags & 2 != 0, flags & 4 != 0)
        address = part.address(at: is64 ? 16 : 12, is64: is64)
        offset = part.address(at: is64 ? 24 : 16, is64: is64)
        self.size = Int(clamping: part.address(at: is64 ? 32 : 20, is64: is64))
        link = Int(part[is64 ? 40 : 24] as UInt32)
    }
}
