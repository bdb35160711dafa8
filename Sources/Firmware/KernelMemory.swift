public import Board
public import Memslots

/// An entry of the memory map: RAM that the kernel may use (type 1) if it is free, otherwise a reserved range (type 2).
struct MemoryMapEntry {
    let base: UInt64
    let length: UInt64
    let isFree: Bool

    /// Returns the entry in the form in which all boot protocols have it: base, length, and a type of `typeSize` bytes.
    func bytes(typeSize: Int) -> [UInt8] {
        littleEndian(base, 8) + littleEndian(length, 8) + littleEndian(isFree ? 1 : 2, typeSize)
    }
}

/// The memory in which a kernel starts, and the ranges of it that are taken.
public struct KernelMemory: Sendable {
    let ram: RAMLayout
    let conventionalEnd: UInt64
    let taken: [GuestRange]
    let reserved: [GuestRange]
    let tables: GuestAddress?

    /// Creates the description of a kernel's memory.
    ///
    /// - Parameters:
    ///   - ram: The places of the RAM.
    ///   - conventionalEnd: The end of the conventional memory that is free for the kernel.
    ///   - taken: The ranges of the image, and of other data that lies there when the kernel starts.
    ///   - reserved: The ranges outside of RAM that belong to the board.
    ///   - tables: The address of the ACPI tables' RSDP, or nil without tables.
    public init(
        ram: RAMLayout, conventionalEnd: UInt64 = BootMemory.conventionalEnd, taken: [GuestRange],
        reserved: [GuestRange] = [], tables: GuestAddress? = nil
    ) {
        self.ram = ram
        self.conventionalEnd = conventionalEnd
        self.taken = taken
        self.reserved = reserved
        self.tables = tables
    }

    /// The memory map that the kernel gets.
    var map: [MemoryMapEntry] {
        let extended = BootMemory.extended
        var map: [(UInt64, UInt64, Bool)] = [(0, min(ram.low, conventionalEnd), true)]
        if ram.low > conventionalEnd {
            // This range is RAM too, but kernels expect a PC's firmware data, screen and ROMs there.
            map.append((conventionalEnd, min(ram.low, extended) - conventionalEnd, false))
        }
        if ram.low > extended { map.append((extended, ram.low - extended, true)) }
        map += reserved.map { ($0.first.rawValue, $0.size, false) }
        if ram.high > 0 { map.append((RAMLayout.highStart, ram.high, true)) }
        return map.map(MemoryMapEntry.init)
    }

    /// Finds a place for each module.
    ///
    /// - Parameter sizes: The sizes of the modules in bytes.
    /// - Returns: The memory that is free beside the modules, and their places.
    func placeModules(_ sizes: [Int]) throws(FirmwareError) -> (free: FreeMemory, places: [Range<UInt64>]) {
        // The firmware's data and the screen lie behind conventional memory.
        let firmware = GuestRange(
            first: GuestAddress(conventionalEnd),
            size: BootMemory.firmwareROMs - min(conventionalEnd, BootMemory.firmwareROMs))
        var free = FreeMemory(end: ram.low, taken: taken + [firmware].compactMap { $0 })
        var places: [Range<UInt64>] = []
        for (index, module) in sizes.enumerated() {
            let size = UInt64(max(module, 1))
            guard let address = free.take(size) else { throw .noRoom(what: "module \(index)", size: size) }
            places.append(address..<address + UInt64(module))
        }
        return (free, places)
    }
}

extension FreeMemory {
    /// Takes a place for `size` bytes of boot information. A place where a PC has its ROMs comes first: the memory map says
    /// that this range is taken, so no allocator puts anything there.
    mutating func takeInformation(_ size: Int) throws(FirmwareError) -> UInt64 {
        let inROMs = take(UInt64(size), from: BootMemory.firmwareROMs, to: BootMemory.extended)
        guard let address = inROMs ?? take(UInt64(size)) else {
            throw .noRoom(what: "the boot information", size: UInt64(size))
        }
        return address
    }
}
