internal import Board
internal import Memslots

/// The boot information of a multiboot kernel: the information structure, and behind it the list of modules, the memory map and
/// the strings.
struct MultibootBlock {
    let lowRAM: UInt64
    let conventionalEnd: UInt64
    let map: [MemoryMapEntry]
    let modules: [Range<UInt64>]
    /// The command line, the loader's name, and a string for each module.
    let strings: [[UInt8]]

    /// Returns the bytes of the block at `address`. Their number does not depend on the address.
    func bytes(_ version: MultibootInfo.Version, at address: UInt64) -> [UInt8] {
        switch version {
        case .one: firstVersion(at: address)
        case .two: secondVersion
        }
    }

    /// KiB of memory from 0 on.
    private var lower: UInt32 { UInt32(truncatingIfNeeded: conventionalEnd >> 10) }
    /// KiB of memory from 1 MiB on.
    private var upper: UInt32 {
        UInt32(truncatingIfNeeded: (lowRAM > BootMemory.extended ? lowRAM - BootMemory.extended : 0) >> 10)
    }

    // MARK: Multiboot 1

    /// The size in bytes of the information structure with all fields of version 0.6.96 (3.3), rounded up.
    private static let structureSize = 128
    private static let moduleSize = 16
    private static let mapEntrySize = 24

    private func firstVersion(at address: UInt64) -> [UInt8] {
        func pointer(to offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: address + UInt64(offset)) }
        let mapOffset = Self.structureSize + modules.count * Self.moduleSize
        var end = mapOffset + map.count * Self.mapEntrySize
        let pointers = strings.map { string in
            defer { end += string.count + 1 }
            return pointer(to: end)
        }
        var words = [UInt32](repeating: 0, count: Self.structureSize / 4)
        words[0] = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9  // flags: the fields below are there
        words[1] = lower  // mem_lower
        words[2] = upper  // mem_upper
        words[4] = pointers[0]  // cmdline
        words[5] = UInt32(modules.count)  // mods_count
        words[6] = pointer(to: Self.structureSize)  // mods_addr
        words[11] = UInt32(map.count * Self.mapEntrySize)  // mmap_length
        words[12] = pointer(to: mapOffset)  // mmap_addr
        words[16] = pointers[1]  // boot_loader_name
        for (module, string) in zip(modules, pointers.dropFirst(2)) {
            words += [module.lowerBound, module.upperBound].map { UInt32(truncatingIfNeeded: $0) } + [string, 0]
        }
        // An entry begins with its size without this field.
        let entries = map.flatMap { littleEndian(Self.mapEntrySize - 4, 4) + $0.bytes(typeSize: 4) }
        return words.flatMap { littleEndian($0, 4) } + entries + strings.flatMap { $0 + [0] }
    }

    // MARK: Multiboot 2

    private var secondVersion: [UInt8] {
        // The first field is the size of an entry, with the version of entries (0) in its upper half. Each entry ends with a field
        // without a meaning.
        let mapBody = littleEndian(Self.mapEntrySize, 8) + map.flatMap { $0.bytes(typeSize: 8) }
        var tags = Self.tag(1, strings[0] + [0]) + Self.tag(2, strings[1] + [0])
        for (module, string) in zip(modules, strings.dropFirst(2)) {
            tags += Self.tag(
                3, littleEndian(module.lowerBound, 4) + littleEndian(module.upperBound, 4) + string + [0])
        }
        tags += Self.tag(4, littleEndian(lower, 4) + littleEndian(upper, 4)) + Self.tag(6, mapBody) + Self.tag(0, [])
        return littleEndian(tags.count + 8, 8) + tags
    }

    /// Returns a tag: its type, its size, and its body. The next tag begins at a multiple of 8 (3.6.2).
    private static func tag(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let tag = littleEndian(type, 4) + littleEndian(body.count + 8, 4) + body
        return tag + [UInt8](repeating: 0, count: (8 - tag.count % 8) % 8)
    }
}
