public import Memslots

/// The reason why a file cannot be loaded as an image.
///
/// An `index` is the number of a program header in its table. Sizes and offsets are in bytes.
public enum ImageError: Error, Equatable {
    /// A file without bytes.
    case empty
    /// A flat binary whose end would pass the last guest-physical address.
    case flatImageWraps(address: GuestAddress, byteCount: Int)
    /// No ELF magic number.
    case notELF
    /// The file ends before a part does, such as `the ELF header`, which has `needed` bytes from `offset` on.
    case truncated(String, offset: UInt64, needed: Int, fileSize: Int)
    /// EI_CLASS is neither ELFCLASS32 nor ELFCLASS64.
    case unsupportedClass(UInt8)
    /// EI_DATA is not ELFDATA2LSB.
    case notLittleEndian(UInt8)
    /// EI_VERSION or `e_version` is not EV_CURRENT.
    case unsupportedVersion(UInt32)
    /// `e_type` is ET_DYN.
    case positionIndependent
    /// `e_type` is neither ET_EXEC nor ET_DYN.
    case notExecutable(type: UInt16)
    /// `e_machine` is neither EM_386 nor EM_X86_64.
    case unsupportedMachine(UInt16)
    /// EM_X86_64 in a 32-bit file, which is an x32 program or a boot image that starts in 32-bit code.
    case longModeInELF32
    /// EM_386 in a 64-bit file.
    case protectedModeInELF64
    /// `e_phentsize` is not the size of the class's program header.
    case programHeaderSize(UInt16, expected: UInt16)
    /// `e_phnum` is PN_XNUM.
    case tooManyProgramHeaders
    /// No PT_LOAD program header that takes memory.
    case nothingToLoad
    /// A PT_INTERP or PT_DYNAMIC program header.
    case needsDynamicLoader(index: Int)
    /// `p_filesz` is above `p_memsz`.
    case segmentLargerInFile(index: Int, filesz: UInt64, memsz: UInt64)
    /// `p_offset` and `p_filesz` reach past the end of the file.
    case segmentPastEndOfFile(index: Int, offset: UInt64, filesz: UInt64, fileSize: Int)
    /// `p_paddr` and `p_memsz` reach past the last address of the file's class.
    case segmentWraps(index: Int, paddr: UInt64, memsz: UInt64, highest: UInt64)
    /// Two segments take the same guest memory.
    case segmentsOverlap(GuestRange, GuestRange)
    /// No segment holds `e_entry`.
    case entryOutsideSegments(entry: UInt64)
    /// Something is wrong with the header or the fields of a multiboot kernel.
    case multiboot(MultibootError)
    /// A field of the setup header of a Linux kernel has a value with which the kernel cannot be started. The rule is for people.
    case linux(field: String, value: UInt64, rule: String)
    /// No note of `Xen` with an entry for the PVH boot protocol.
    case noPVHEntry
    /// A file of a known format that cannot be started here.
    case foreign(ForeignFormat)
}
