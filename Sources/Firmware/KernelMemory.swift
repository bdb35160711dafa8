public import Board
public import Memslots

/// A piece of the memory map. If it is free, it is RAM that the kernel may use (type 1); otherwise it is reserved (type 2).
typealias MemoryMapEntry = (base: UInt64, length: UInt64, isFree: Bool)

/// The memory in which a kernel starts, and what is taken of it.
public struct KernelMemory: Sendable {
    let ram: RAMLayout
    let conventionalEnd: UInt64
    let taken: [GuestRange]
    let reserved: [GuestRange]
    let tables: GuestAddress?

    /// Describes memory.
    ///
    /// - Parameters:
    ///   - ram: The places of the RAM.
    ///   - conventionalEnd: The end of conventional memory that is free for the kernel.
    ///   - taken: The ranges of the image, and of other data that lies there when the kernel starts.
    ///   - reserved: The ranges outside of RAM that belong to the board.
    ///   - tables: The address of the ACPI tables' RSDP.
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

    /// The map of the memory.
    var map: [MemoryMapEntry] {
        let extended = BootMemory.extended
        var map: [MemoryMapEntry] = [(0, min(ram.low, conventionalEnd), true)]
        if ram.low > conventionalEnd {
            // RAM in fact, but kernels expect the data of the firmware, the screen and the ROMs of a PC here.
            map.append((conventionalEnd, min(ram.low, extended) - conventionalEnd, false))
        }
        if ram.low > extended { map.append((extended, ram.low - extended, true)) }
        map += reserved.map { ($0.first.rawValue, $0.size, false) }
        if ram.high > 0 { map.append((RAMLayout.highStart, ram.high, true)) }
        return map
    }

    /// What is free of it, and a place for each module.
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
    /// Takes a place for the boot information: where a PC has its ROMs first, because the memory map says that this is taken, so that no allocator puts
    /// anything there.
    mutating func takeInformation(_ size: Int) throws(FirmwareError) -> UInt64 {
        let inROMs = take(UInt64(size), from: BootMemory.firmwareROMs, to: BootMemory.extended)
        guard let address = inROMs ?? take(UInt64(size)) else {
            throw .noRoom(what: "the boot information", size: UInt64(size))
        }
        return address
    }
}
