import Images
import Machine
import Memslots
import Testing

/// The code of a built-in multiboot guest, which lies where flat guests do, in other containers.
struct MultibootGuest {
    /// What a loader may find around the code.
    enum Container: CaseIterable {
        case addresses
        case elf32
        case elf64
    }

    static let loadAddress = MachineConfiguration.defaultLoadAddress.rawValue

    var isLong: Bool
    var container: Container

    var name: String { isLong ? "multiboot" : "multiboot-32" }

    /// The built-in file itself, from which the others are made: a header at the offset, and the entry behind it.
    private var builtIn: (bytes: [UInt8], headerOffset: Int, headerSize: Int) {
        get throws {
            let guest = try #require(BuiltInGuest.named(name))
            return (guest.image, isLong ? 64 + 56 : 0, isLong ? 12 : 32)
        }
    }

    /// The file in its container: whole, loaded where it belongs by a header behind it.
    func bytes() throws -> [UInt8] {
        var (bytes, offset, size) = try builtIn
        let entry = Self.loadAddress + UInt64(offset + size)
        // The header of old is none any more.
        bytes.replaceSubrange(offset..<offset + 4, with: [0, 0, 0, 0])
        let end = Self.loadAddress + 0x20000
        let header = container == .addresses ? 32 : 12
        let prefix =
            switch container {
            case .addresses: [UInt8]()
            case .elf32: elf(is64: false, size: bytes.count, entry: entry, end: end)
            case .elf64: elf(is64: true, size: bytes.count, entry: entry, end: end)
            }
        let flags: UInt32 = container == .addresses ? 1 << 16 : 0
        var numbers = [0x1bad_b002, flags, 0 &- 0x1bad_b002 &- flags]
        if container == .addresses {
            // The header lies right below what is loaded.
            let load = UInt32(Self.loadAddress) - UInt32(header)
            numbers += [load, load, 0, UInt32(end), UInt32(entry)]
        }
        let filler = [UInt8](repeating: 0, count: prefix.isEmpty ? 0 : Self.contentsOffset - prefix.count - header)
        return prefix + filler + numbers.flatMap { little($0, 4) } + bytes
    }

    /// Where the code stands in ELF files.
    private static let contentsOffset = 0x100

    private func elf(is64: Bool, size: Int, entry: UInt64, end: UInt64) -> [UInt8] {
        let word = is64 ? 8 : 4
        let headerSize = is64 ? 64 : 52
        let programHeaderSize = is64 ? 56 : 32
        var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1] + [UInt8](repeating: 0, count: 9)
        file += little(UInt16(2), 2) + little(UInt16(is64 ? 62 : 3), 2) + little(UInt32(1), 4)
        file += little(entry, word) + little(headerSize, word) + little(0, word) + little(0, 4)
        file += little(headerSize, 2) + little(programHeaderSize, 2) + little(1, 2) + little(0, 6)
        file += little(1, 4) + (is64 ? little(7, 4) : [])
        file += little(Self.contentsOffset, word) + little(Self.loadAddress, word) + little(Self.loadAddress, word)
        file += little(size, word) + little(end - Self.loadAddress, word) + (is64 ? [] : little(7, 4))
        return file + little(0x1000, word)
    }

    private func little(_ value: some BinaryInteger, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}
