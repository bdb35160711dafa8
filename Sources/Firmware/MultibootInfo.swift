public import Board
public import Memslots

/// What a multiboot kernel is told (Multiboot Specification 0.6.96, 3.3; Multiboot2 Specification 2.0, 3.6), and the places of that, of
/// its modules and of a stack.
///
/// All of it lies in RAM below 3 GiB, where neither the image nor anything else of it is.
public struct MultibootInfo: Equatable, Sendable {
    /// The version of the specification.
    public enum Version: Sendable {
        case one, two

        /// The number that EAX holds when the kernel starts.
        public var bootMagic: UInt32 {
            switch self {
            case .one: 0x2bad_b002
            case .two: 0x36d7_6289
            }
        }
    }

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

    /// The version of the specification.
    public let version: Version
    /// What EBX holds: the address of the information structure, and of `bytes`, which begin with it.
    public let address: GuestAddress
    public let bytes: [UInt8]
    /// Where each module begins: at a page boundary.
    public let moduleAddresses: [GuestAddress]
    /// The end of a stack that the kernel may use, although the specification promises none. It is nil if there is no room.
    public let stackTop: GuestAddress?

    private static let stackSize: UInt64 = 16 << 10

    /// Places everything beside what is `taken`.
    ///
    /// - Parameters:
    ///   - version: The version of the specification.
    ///   - taken: The ranges of the image.
    ///   - ram: The places of the RAM.
    ///   - conventionalEnd: The end of conventional memory that is free for the kernel.
    ///   - commandLine: The command line, without the zero that ends it.
    ///   - modules: The modules.
    public init(
        _ version: Version, beside taken: [GuestRange], ram: RAMLayout,
        conventionalEnd: UInt64 = BootMemory.conventionalEnd, commandLine: [UInt8], modules: [Module]
    ) throws(FirmwareError) {
        // The firmware's data and the screen lie behind conventional memory.
        let firmware = GuestRange(
            first: GuestAddress(conventionalEnd),
            size: BootMemory.firmwareROMs - min(conventionalEnd, BootMemory.firmwareROMs))
        var memory = FreeMemory(end: ram.low, taken: taken + [firmware].compactMap { $0 })
        var ranges: [Range<UInt64>] = []
        for (index, module) in modules.enumerated() {
            let size = UInt64(max(module.size, 1))
            guard let address = memory.take(size) else {
                throw .noRoom(what: "module \(index)", size: size)
            }
            ranges.append(address..<address + UInt64(module.size))
        }
        let block = MultibootBlock(
            lowRAM: ram.low, conventionalEnd: min(ram.low, conventionalEnd),
            map: Self.memoryMap(ram, conventionalEnd: conventionalEnd), modules: ranges,
            strings: [commandLine, Array("swiftlet".utf8)] + modules.map(\.string))
        let size = UInt64(block.bytes(version, at: 0).count)
        // Where a PC has its ROMs first: the memory map says that it is taken, so that no allocator puts anything there.
        let inROMs = memory.take(size, from: BootMemory.firmwareROMs, to: BootMemory.extended)
        guard let address = inROMs ?? memory.take(size) else {
            throw .noRoom(what: "the boot information", size: size)
        }
        self.version = version
        self.address = GuestAddress(address)
        bytes = block.bytes(version, at: address)
        moduleAddresses = ranges.map { GuestAddress($0.lowerBound) }
        stackTop = memory.take(Self.stackSize, from: Page.size, to: conventionalEnd)
            .map { GuestAddress($0 + Self.stackSize) }
    }

    private static func memoryMap(_ ram: RAMLayout, conventionalEnd: UInt64) -> [MultibootBlock.MapEntry] {
        let extended = BootMemory.extended
        var map: [MultibootBlock.MapEntry] = [(0, min(ram.low, conventionalEnd), true)]
        if ram.low > conventionalEnd {
            // RAM in fact, but kernels expect the data of the firmware, the screen and the ROMs of a PC here.
            map.append((conventionalEnd, min(ram.low, extended) - conventionalEnd, false))
        }
        if ram.low > extended { map.append((extended, ram.low - extended, true)) }
        if ram.high > 0 { map.append((RAMLayout.highStart, ram.high, true)) }
        return map
    }
}
