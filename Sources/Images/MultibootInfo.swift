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
            guard let address = memory.take(size, from: memory.endOfTaken) ?? memory.take(size, from: Page.size) else {
                throw .noRoom(what: "module \(index)", size: size)
            }
            addresses.append(address)
        }
        let map = Self.memoryMap(ram)
        let strings = [commandLine, Array("swiftlet".utf8)] + modules.map(\.string)
        let size = Block.size(modules: modules.count, mapEntries: map.count, strings: strings)
        // Where a PC has its ROMs first: the memory map says that it is taken, so that no allocator puts anything there.
        guard
            let address = memory.take(size, from: BootMemory.firmwareROMs, to: BootMemory.extended) ?? memory.take(
                size, from: memory.endOfTaken)
                ?? memory.take(size, from: Page.size)
        else {
            throw .noRoom(what: "the boot information", size: size)
        }
        var block = Block(address: address, modules: modules.count, mapEntries: map.count)
        block.setMemory(lowRAM: ram.low, map: map)
        block.setStrings(commandLine: strings[0], loader: strings[1])
        for (index, module) in modules.enumerated() {
            block.setModule(index, at: addresses[index], size: UInt64(module.size), string: module.string)
        }
        self.address = GuestAddress(address)
        bytes = block.bytes
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

    /// The end of all that is taken, from 1 MiB on, where kernels expect what was loaded with them.
    var endOfTaken: UInt64 {
        let last = taken.last { $0.first.rawValue < end }?.last.rawValue ?? 0
        return max(BootMemory.extended, last < end ? last + 1 : end)
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
    private(set) var bytes: [UInt8]
    private let address: UInt64
    private let modules: Int
    private let mapEntries: Int

    /// Bytes of the structure with all that version 0.6.96 has (3.3), rounded up.
    private static let structureSize = 128
    private static let moduleSize = 16
    private static let mapEntrySize = 24

    /// Offsets of the fields.
    private enum Field {
        static let flags = 0
        static let memLower = 4
        static let memUpper = 8
        static let cmdline = 16
        static let modsCount = 20
        static let modsAddr = 24
        static let mmapLength = 44
        static let mmapAddr = 48
        static let bootLoaderName = 64
    }

    private enum Flags {
        static let memory: UInt32 = 1 << 0
        static let cmdline: UInt32 = 1 << 2
        static let modules: UInt32 = 1 << 3
        static let mmap: UInt32 = 1 << 6
        static let bootLoaderName: UInt32 = 1 << 9
    }

    static func size(modules: Int, mapEntries: Int, strings: [[UInt8]]) -> UInt64 {
        UInt64(
            structureSize + modules * moduleSize + mapEntries * mapEntrySize
                + strings.reduce(0) { $0 + $1.count + 1 })
    }

    init(address: UInt64, modules: Int, mapEntries: Int) {
        self.address = address
        self.modules = modules
        self.mapEntries = mapEntries
        let size = Self.size(modules: modules, mapEntries: mapEntries, strings: [])
        bytes = [UInt8](repeating: 0, count: Int(size))
        set(
            Flags.memory | Flags.cmdline | Flags.modules | Flags.mmap | Flags.bootLoaderName, at: Field.flags)
        set(UInt32(modules), at: Field.modsCount)
        set(pointer(to: Self.structureSize), at: Field.modsAddr)
        set(UInt32(mapEntries * Self.mapEntrySize), at: Field.mmapLength)
        set(pointer(to: mapOffset), at: Field.mmapAddr)
    }

    private var mapOffset: Int { Self.structureSize + modules * Self.moduleSize }

    /// `mem_lower` and `mem_upper` are in KiB from 0 and from 1 MiB on.
    mutating func setMemory(lowRAM: UInt64, map: [MultibootInfo.MapEntry]) {
        set(UInt32(min(lowRAM, BootMemory.conventionalEnd) >> 10), at: Field.memLower)
        let upper = lowRAM > BootMemory.extended ? lowRAM - BootMemory.extended : 0
        set(UInt32(truncatingIfNeeded: upper >> 10), at: Field.memUpper)
        for (index, entry) in map.enumerated() {
            let offset = mapOffset + index * Self.mapEntrySize
            // Its size without this field.
            set(UInt32(Self.mapEntrySize - 4), at: offset)
            set(entry.base, at: offset + 4)
            set(entry.length, at: offset + 12)
            set(UInt32(entry.isFree ? 1 : 2), at: offset + 20)
        }
    }

    mutating func setStrings(commandLine: [UInt8], loader: [UInt8]) {
        set(append(commandLine), at: Field.cmdline)
        set(append(loader), at: Field.bootLoaderName)
    }

    mutating func setModule(_ index: Int, at start: UInt64, size: UInt64, string: [UInt8]) {
        let offset = Self.structureSize + index * Self.moduleSize
        set(UInt32(truncatingIfNeeded: start), at: offset)
        set(UInt32(truncatingIfNeeded: start + size), at: offset + 4)
        set(append(string), at: offset + 8)
    }

    /// Puts a string behind everything; its address.
    private mutating func append(_ string: [UInt8]) -> UInt32 {
        let offset = bytes.count
        bytes += string + [0]
        return pointer(to: offset)
    }

    private func pointer(to offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: address + UInt64(offset))
    }

    private mutating func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        for byte in 0..<MemoryLayout<Value>.size {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * Value(byte)))
        }
    }
}
