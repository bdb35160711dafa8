public import Memslots

/// The reason why a multiboot kernel cannot be loaded. Fields are named as in the Multiboot Specification.
///
/// Offsets are in bytes from the start of the file.
public enum MultibootError: Error, Equatable, Sendable {
    /// No magic number of this version in the bytes that loaders search, and no header behind them.
    case noHeader(MultibootMagic)
    /// A header that does not end within the first bytes of the file, which loaders search.
    case headerTooFar(MultibootMagic, offset: Int)
    /// A checksum with which the sum of the fields is not 0.
    case wrongChecksum(offset: Int, checksum: UInt32, expected: UInt32)
    /// Requirements in bits 3 to 15 of `flags`, which nobody has defined.
    case unknownRequirements(flags: UInt32, bits: UInt32)
    /// Bit 16 of `flags` is 0, and the file is not ELF.
    case noAddresses
    /// `load_addr` is above `header_addr`.
    case loadAboveHeader(loadAddr: UInt32, headerAddr: UInt32)
    /// `header_addr` is further above `load_addr` than the header is from the start of the file.
    case loadBeforeFile(loadAddr: UInt32, headerAddr: UInt32, headerOffset: Int)
    /// `load_end_addr` is not above `load_addr`, or the file has no bytes that could be loaded.
    case loadEndNotAboveLoad(loadEndAddr: UInt32, loadAddr: UInt32)
    /// `load_end_addr` needs the first `needed` bytes of the file, which has fewer.
    case loadEndPastFile(loadEndAddr: UInt32, needed: UInt64, fileSize: Int)
    /// `bss_end_addr` is below the end of the loaded bytes.
    case bssEndBelowLoadEnd(bssEndAddr: UInt32, loadEnd: UInt64)
    /// The memory that is loaded from `load_addr` on ends above 4 GiB.
    case loadPast4GiB(loadAddr: UInt32, end: UInt64)
    /// `entry_addr` is outside of the loaded memory.
    case entryOutside(entryAddr: UInt32, GuestRange)
    /// The physical entry of an ELF file is above 4 GiB, where protected mode cannot reach it.
    case entryAbove4GiB(entry: UInt64)
    /// An architecture other than the 32-bit protected mode of i386 (multiboot 2).
    case architecture(UInt32)
    /// A tag with a size that is less than its type needs, or that passes the end of the header (multiboot 2).
    case badTag(type: UInt16, size: UInt32)
    /// A tag of an unknown type that the kernel requires (multiboot 2).
    case unknownTag(type: UInt16)
    /// Information that the kernel requires and does not get here, by the types of the tags (multiboot 2).
    case unknownInformation([UInt32])
    /// An address tag without an entry address tag (multiboot 2).
    case noEntryTag
}

extension MultibootError: CustomStringConvertible {
    /// One line that says what is wrong, what would be right and what the user can do.
    public var description: String {
        "multiboot header: " + text
    }

    private var text: String {
        switch self {
        case .noHeader(let magic):
            "no magic number \(hexadecimal(UInt64(magic.rawValue))) at a multiple of \(magic.alignment) in the first \(magic.searched) bytes: it is "
                + "no multiboot \(magic == .one ? 1 : 2) kernel"
        case .headerTooFar(let magic, let offset):
            "the one at offset \(offset) does not end within the first \(magic.searched) bytes: link its section first"
        case .wrongChecksum(let offset, let checksum, let expected):
            "the one at offset \(offset) has checksum \(hexadecimal(UInt64(checksum))), but its other fields need \(hexadecimal(UInt64(expected))) (or these bytes "
                + "are no header)"
        case .unknownRequirements(let flags, let bits):
            "flags \(hexadecimal(UInt64(flags))) require bits \(hexadecimal(UInt64(bits))), of which multiboot 1 knows nothing: clear bits 3 to 15"
        case .noAddresses: "flags bit 16 is 0 and the file is not ELF: set it and fill in the address fields"
        case .loadAboveHeader(let load, let header):
            "load_addr \(hexadecimal(UInt64(load))) is above header_addr \(hexadecimal(UInt64(header))): the header must be loaded, too"
        case .loadBeforeFile(let load, let header, let offset):
            "load_addr \(hexadecimal(UInt64(load))) is \(header - load) bytes below header_addr \(hexadecimal(UInt64(header))), but the header is only \(offset) "
                + "bytes from the start of the file"
        case .loadEndNotAboveLoad(let end, let load):
            "load_end_addr \(hexadecimal(UInt64(end))) is not above load_addr \(hexadecimal(UInt64(load))): nothing would be loaded"
        case .loadEndPastFile(let end, let needed, let fileSize):
            "load_end_addr \(hexadecimal(UInt64(end))) needs \(needed) bytes of the file, which has \(fileSize): it was cut"
        case .bssEndBelowLoadEnd(let end, let loadEnd):
            "bss_end_addr \(hexadecimal(UInt64(end))) is below \(hexadecimal(loadEnd)), where the loaded bytes end: raise it, or say 0"
        case .loadPast4GiB(let load, let end):
            "load_addr \(hexadecimal(UInt64(load))): what is loaded ends at \(hexadecimal(end)), past 4G: link it lower"
        case .entryOutside(let entry, let range):
            "entry_addr \(hexadecimal(UInt64(entry))) is not in \(range), which is loaded"
        case .entryAbove4GiB(let entry):
            "the entry \(hexadecimal(entry)) is above 4G, where 32-bit code cannot start: link it lower"
        case .architecture(let number): "architecture is \(number): only 0 (i386) can be started here"
        case .badTag(let type, let size):
            "the tag of type \(type) has a size of \(size), which is too little or passes header_length"
        case .unknownTag(let type):
            "the tag of type \(type) is required and not known here: make it optional (flags bit 0), or leave it out"
        case .unknownInformation(let types):
            "information of type \(types.map(String.init).joined(separator: ", ")) is required and not given here: make the request "
                + "optional (flags bit 0)"
        case .noEntryTag: "the address tag (type 2) needs an entry address tag (type 3)"
        }
    }
}
