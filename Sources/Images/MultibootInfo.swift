public import Board
public import Memslots

/// What a multiboot 1 kernel is told (Multiboot Specification 0.6.96, 3.3), and where that and its modules lie.
///
/// All of it lies in RAM below 3 GiB, where neither the image nor anything else of it is.
public struct MultibootInfo: Equatable, Sendable {
    /// A file that the kernel gets beside itself.
    public struct Module: Equatable, Sendable {
        /// The string that belongs to it, without the zero that ends it.
        public let string: [UInt8]
        /// In bytes.
        public let size: Int

        public init(string: [UInt8], size: Int) {
            self.string = string
            self.size = size
        }
    }

    /// What EAX holds when the kernel starts.
    public static let bootMagic: UInt32 = 0x2bad_b002

    /// What EBX holds: the address of the information structure, and of `bytes`, which begin with it.
    public let address: GuestAddress
    public let bytes: [UInt8]
    /// Where each module begins: at a page boundary.
    public let moduleAddresses: [GuestAddress]

    /// Places everything beside `image`. `ram` says where the RAM lies.
    public init(
        for image: Image, ram: RAMLayout, commandLine: [UInt8], modules: [Module]
    ) throws(MultibootError) {
        var memory = FreeMemory(end: ram.low, taken: image.segments.map(\.range))
        var addresses: [UInt64] = []
        for (index, module) in modules.enumerated() {
            let size = UInt64(max(module.size, 1))
            guard let address = memory.take(size) else {
                throw .noRoom(what: "module \(index)", size: size)
            }
            addresses.append(address)
        }
        let map = Self.memoryMap(ram)
        let strings = [commandLine, Array("swiftlet".utf8)] + modules.map(\.string)
        let ranges = zip(addresses, modules).map { (start: $0, end: $0 + UInt64($1.size)) }
        let block = Block(lowRAM: ram.low, map: map, modules: ranges, strings: strings)
        let size = UInt64(block.bytes(at: 0).count)
        // Where a PC has its ROMs first: the memory map says that it is taken, so that no allocator puts anything there.
        let inROMs = memory.take(size, from: BootMemory.firmwareROMs, to: BootMemory.extended)
        guard let address = inROMs ?? memory.take(size) else {
            throw .noRoom(what: "the boot information", size: size)
        }
        self.address = GuestAddress(address)
        bytes = block.bytes(at: address)
        moduleAddresses = addresses.map { GuestAddress($0) }
    }

    /// A piece of the memory map; `isFree` means type 1, RAM that the kernel may use.
    fileprivate typealias MapEntry = (base: UInt64, length: UInt64, isFree: Bool)

    private static func memoryMap(_ ram: RAMLayout) -> [MapEntry] {
        let (conventional, extended) = (BootMemory.conventionalEnd, BootMemory.extended)
        var map: [MapEntry] = [(0, min(ram.low, conventional), true)]
        if ram.low > conventional {
            // RAM in fact, but kernels expect the screen and the ROMs of a PC here.
            map.append((conventional, min(ram.low, extended) - conventional, false))
        }
        if ram.low > extended { map.append((extended, ram.low - extended, true)) }
        if ram.high > 0 { map.append((RAMLayout.highStart, ram.high, true)) }
        return map
    }
}

/// RAM below 3 GiB of which parts are taken.
private struct FreeMemory {
    let end: UInt64
    private var taken: [GuestRange]

    init(end: UInt64, taken: [GuestRange]) {
        self.end = end
        self.taken = taken.sorted { $0.first < $1.first }
    }

    /// The lowest place behind all that is taken, from 1 MiB on, where kernels expect what was loaded with them; else the lowest
    /// of all.
    mutating func take(_ size: UInt64) -> UInt64? {
        let last = taken.last { $0.first.rawValue < end }?.last.rawValue ?? 0
        return take(size, from: max(BootMemory.extended, last < end ? last + 1 : end)) ?? take(size, from: Page.size)
    }

    /// The lowest place at a page boundary from `floor` on, below `limit`; nil where there is none.
    mutating func take(_ size: UInt64, from floor: UInt64, to limit: UInt64 = .max) -> UInt64? {
        var next = Self.pageEnd(floor)
        for range in taken where range.last.rawValue >= next {
            if range.first.rawValue >= next, range.first.rawValue - next >= size { break }
            guard range.last.rawValue < end else { return nil }
            next = Self.pageEnd(range.last.rawValue + 1)
        }
        let limit = min(limit, end)
        guard next < limit, limit - next >= size, let range = GuestRange(first: GuestAddress(next), size: size) else {
            return nil
        }
        taken.append(range)
        taken.sort { $0.first < $1.first }
        return next
    }

    /// An address, which is far from the last one there is, rounded up to a page.
    private static func pageEnd(_ address: UInt64) -> UInt64 {
        (address + Page.size - 1) / Page.size * Page.size
    }
}

/// The information structure, and behind it what it points to: modules, memory map, strings.
private struct Block {
    let lowRAM: UInt64
    let map: [MultibootInfo.MapEntry]
    let modules: [(start: UInt64, end: UInt64)]
    /// The command line, the loader's name, and one for each module.
    let strings: [[UInt8]]

    /// Bytes of the structure with all that version 0.6.96 has (3.3), rounded up.
    private static let structureSize = 128
    private static let moduleSize = 16
    private static let mapEntrySize = 24

    /// The bytes for `address`. Their number does not depend on the address.
    func bytes(at address: UInt64) -> [UInt8] {
        func pointer(to offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: address + UInt64(offset)) }
        let mapOffset = Self.structureSize + modules.count * Self.moduleSize
        var end = mapOffset + map.count * Self.mapEntrySize
        let pointers = strings.map { string in
            defer { end += string.count + 1 }
            return pointer(to: end)
        }
        let upper = lowRAM > BootMemory.extended ? lowRAM - BootMemory.extended : 0
        var words = [UInt32](repeating: 0, count: Self.structureSize / 4)
        words[0] = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9  // flags: each of the fields below is there
        words[1] = UInt32(min(lowRAM, BootMemory.conventionalEnd) >> 10)  // mem_lower, KiB from 0 on
        words[2] = UInt32(truncatingIfNeeded: upper >> 10)  // mem_upper, KiB from 1 MiB on
        words[4] = pointers[0]  // cmdline
        words[5] = UInt32(modules.count)  // mods_count
        words[6] = pointer(to: Self.structureSize)  // mods_addr
        words[11] = UInt32(map.count * Self.mapEntrySize)  // mmap_length
        words[12] = pointer(to: mapOffset)  // mmap_addr
        words[16] = pointers[1]  // boot_loader_name
        for (module, string) in zip(modules, pointers.dropFirst(2)) {
            words += [UInt32(truncatingIfNeeded: module.start), UInt32(truncatingIfNeeded: module.end), string, 0]
        }
        for entry in map {
            // Its size without this field, then two fields of 64 bits, and its type.
            words.append(UInt32(Self.mapEntrySize - 4))
            for value in [entry.base, entry.length] {
                words += [UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32)]
            }
            words.append(entry.isFree ? 1 : 2)
        }
        let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        return bytes + strings.flatMap { $0 + [0] }
    }
}
