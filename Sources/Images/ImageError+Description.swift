internal import Memslots

extension ImageError: CustomStringConvertible {
    /// One line that says what is wrong, what would be right and what the user can do.
    public var description: String {
        switch self {
        case .empty: "the image is empty: it needs at least 1 byte"
        case .flatImageWraps(let address, let byteCount):
            "\(byteCount) bytes at \(address) pass the last guest address, \(hexadecimal(.max)): load the image lower"
        case .notELF: "no ELF magic number at the start: load the file as a flat binary"
        case .truncated(let part, let offset, let needed, let fileSize):
            "\(part) needs \(needed) bytes at \(hexadecimal(offset)), the file has \(fileSize): it was cut"
        case .unsupportedClass(let value): "EI_CLASS is \(value), only ELFCLASS32 (1) and ELFCLASS64 (2) exist"
        case .notLittleEndian(let value): "EI_DATA is \(value), not ELFDATA2LSB (1): build the guest for x86"
        case .unsupportedVersion(let value): "the ELF version is \(value), only EV_CURRENT (1) exists"
        case .positionIndependent: "e_type is ET_DYN, position independent: link the guest with -static -no-pie"
        case .notExecutable(let type): "e_type is \(type), not ET_EXEC (2): link the guest as an executable"
        case .unsupportedMachine(let machine):
            "e_machine is \(machine), neither EM_386 (3) nor EM_X86_64 (62): build the guest for x86"
        case .longModeInELF32:
            "EM_X86_64 in a 32-bit ELF file does not say in which mode the guest starts: link as elf64-x86-64 or as elf32-i386"
        case .protectedModeInELF64: "EM_386 in a 64-bit ELF file: link the guest as elf32-i386"
        case .programHeaderSize(let size, let expected):
            "e_phentsize is \(size), not the \(expected) of its class: the file is corrupt"
        case .tooManyProgramHeaders: "e_phnum is PN_XNUM, above 65534 program headers: link fewer segments"
        case .nothingToLoad: "no PT_LOAD program header that takes memory: link the guest, an object file will not do"
        case .needsDynamicLoader(let index):
            "program header \(index) is PT_INTERP or PT_DYNAMIC, it needs a dynamic loader: link the guest with -static"
        case .segmentLargerInFile(let index, let filesz, let memsz):
            "program header \(index): p_filesz \(filesz) is above p_memsz \(memsz): the file is corrupt"
        case .segmentPastEndOfFile(let index, let offset, let filesz, let fileSize):
            "segment \(index) needs \(filesz) bytes at \(hexadecimal(offset)), the file has \(fileSize): it was cut"
        case .segmentWraps(let index, let paddr, let memsz, let highest):
            "segment \(index): \(memsz) bytes at \(hexadecimal(paddr)) pass \(hexadecimal(highest)): link it lower"
        case .segmentsOverlap(let first, let second):
            "segments \(first) and \(second) overlap in guest memory: give each its own p_paddr"
        case .entryOutsideSegments(let entry):
            "e_entry \(hexadecimal(entry)) is in no PT_LOAD: name an entry symbol that the guest defines"
        case .multiboot(let error): "\(error)"
        case .linux(let field, let value, let rule): "setup header of Linux: \(field) is \(hexadecimal(value)): \(rule)"
        case .noPVHEntry: "no note of Xen with type 18 (PVH entry): build the kernel with CONFIG_PVH=y"
        case .foreign(let format): "it is \(format)"
        }
    }
}
