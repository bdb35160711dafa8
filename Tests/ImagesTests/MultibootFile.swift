/// Builds tiny multiboot 1 kernels, right or wrong, field by field; a kernel with addresses is a flat file.
struct MultibootFile {
    /// The fields behind flags bit 16, as they stand in the header.
    struct Addresses {
        var headerAddr: UInt32
        var loadAddr: UInt32
        var loadEndAddr: UInt32
        var bssEndAddr: UInt32
        var entryAddr: UInt32
    }

    var magic: UInt32 = 0x1bad_b002
    var flags: UInt32 = 0
    var checksum: UInt32?
    var addresses: Addresses?
    /// What the file begins with, and what follows the header.
    var lead: [UInt8] = []
    var rest: [UInt8] = [0x90, 0x90, 0xf4]

    /// A good flat file, loaded whole at 1 MiB, with zeros behind it up to 1 MiB and 64 KiB.
    static let flat = MultibootFile(
        flags: 1 << 16,
        addresses: Addresses(
            headerAddr: 0x10_0008, loadAddr: 0x10_0000, loadEndAddr: 0, bssEndAddr: 0x11_0000, entryAddr: 0x10_0028),
        lead: [1, 2, 3, 4, 5, 6, 7, 8])

    /// A good ELF file: the header lies behind the code that `ELFFile` has.
    static func elf(is64: Bool, header: MultibootFile = MultibootFile()) -> ELFFile {
        var file = ELFFile(is64: is64)
        file.segments[0].contents += [0x90] + header.header
        file.segments[0].contents.insert(
            contentsOf: [UInt8](repeating: 0x90, count: (4 - file.contentsOffset % 4) % 4), at: 3)
        file.segments[0].memsz = 0x1000
        return file
    }

    var header: [UInt8] {
        var numbers = [magic, flags, checksum ?? 0 &- magic &- flags]
        if let addresses {
            numbers += [
                addresses.headerAddr, addresses.loadAddr, addresses.loadEndAddr, addresses.bssEndAddr,
                addresses.entryAddr,
            ]
        }
        return numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    }

    var bytes: [UInt8] {
        lead + header + rest
    }
}
