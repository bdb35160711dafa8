/// The ELF header (`Elf32_Ehdr`, `Elf64_Ehdr`) of an executable that runs here; names are TIS ELF 1.2's without prefix.
struct ELFHeader {
    static let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]

    /// EI_CLASS: whether addresses have 32 or 64 bits.
    enum Class: UInt8 {
        case elf32 = 1
        case elf64 = 2

        /// Bytes in the ELF header.
        var headerSize: Int { self == .elf32 ? 52 : 64 }
        /// Bytes in a program header: what `e_phentsize` must say.
        var programHeaderSize: UInt16 { self == .elf32 ? 32 : 56 }
    }

    /// The `e_type` values that get an answer of their own.
    private enum FileType {
        static let exec: UInt16 = 2
        static let dyn: UInt16 = 3
    }

    /// EM_386 and EM_X86_64, the `e_machine` values of x86.
    private enum Machine {
        static let i386: UInt16 = 3
        static let amd64: UInt16 = 62
    }

    /// ELFDATA2LSB, the byte order of x86.
    private static let littleEndian: UInt8 = 1
    /// EV_CURRENT, the only version there ever was.
    private static let currentVersion: UInt32 = 1
    /// PN_XNUM: the real number of program headers stands in a section header.
    private static let extendedNumber: UInt16 = 0xffff

    let elfClass: Class
    /// A virtual address.
    let entry: UInt64
    /// Where the program headers begin in the file.
    let phoff: UInt64
    let phnum: UInt16

    /// What an executable is started as, and so which `e_machine` its class may have.
    enum Start {
        /// Code of the class: 32-bit or 64-bit.
        case own
        /// By multiboot 1, in 32-bit code, whatever it goes on to.
        case multiboot
    }

    /// Reads the header at the start of `bytes` and refuses what cannot run here.
    init(_ bytes: [UInt8], as start: Start = .own) throws(ImageError) {
        elfClass = try ELFHeader.identify(bytes)
        var reader = try ByteReader(bytes, .elfHeader, at: 0, count: elfClass.headerSize)
        try reader.skip(ELFHeader.identificationSize)
        let type = try reader.read(UInt16.self)
        let machine = try reader.read(UInt16.self)
        let version = try reader.read(UInt32.self)
        entry = try reader.readWord(elfClass)
        phoff = try reader.readWord(elfClass)
        _ = try reader.readWord(elfClass)  // e_shoff
        _ = try reader.read(UInt32.self)  // e_flags
        _ = try reader.read(UInt16.self)  // e_ehsize
        let phentsize = try reader.read(UInt16.self)
        phnum = try reader.read(UInt16.self)

        guard version == ELFHeader.currentVersion else { throw .unsupportedVersion(version) }
        try ELFHeader.check(type: type)
        try ELFHeader.check(machine: machine, elfClass, start)
        guard phnum > 0 else { throw .nothingToLoad }
        guard phnum != ELFHeader.extendedNumber else { throw .tooManyProgramHeaders }
        guard phentsize == elfClass.programHeaderSize else {
            throw .programHeaderSize(phentsize, expected: elfClass.programHeaderSize)
        }
    }

    /// The mode that the machine and class ask for.
    var mode: CPUMode { elfClass == .elf32 ? .protected : .long }

    var format: Image.Format { elfClass == .elf32 ? .elf32 : .elf64 }

    /// The last address that the class can name.
    var highestAddress: UInt64 { elfClass == .elf32 ? UInt64(UInt32.max) : .max }

    /// EI_NIDENT: bytes in `e_ident`.
    private static let identificationSize = 16

    /// Reads `e_ident`, which looks the same in both classes.
    private static func identify(_ bytes: [UInt8]) throws(ImageError) -> Class {
        guard bytes.starts(with: magic) else { throw .notELF }
        var reader = try ByteReader(bytes, .elfHeader, at: 0, count: identificationSize)
        try reader.skip(magic.count)
        let rawClass = try reader.read(UInt8.self)
        let data = try reader.read(UInt8.self)
        let version = try reader.read(UInt8.self)
        guard let elfClass = Class(rawValue: rawClass) else { throw .unsupportedClass(rawClass) }
        guard data == littleEndian else { throw .notLittleEndian(data) }
        guard version == currentVersion else { throw .unsupportedVersion(UInt32(version)) }
        return elfClass
    }

    private static func check(type: UInt16) throws(ImageError) {
        switch type {
        case FileType.exec: return
        case FileType.dyn: throw .positionIndependent
        default: throw .notExecutable(type: type)
        }
    }

    private static func check(machine: UInt16, _ elfClass: Class, _ start: Start) throws(ImageError) {
        switch (machine, elfClass) {
        case (Machine.amd64, _) where start == .multiboot, (Machine.i386, _) where start == .multiboot: return
        case (Machine.i386, .elf32), (Machine.amd64, .elf64): return
        case (Machine.amd64, .elf32): throw .longModeInELF32
        case (Machine.i386, .elf64): throw .protectedModeInELF64
        default: throw .unsupportedMachine(machine)
        }
    }
}
