internal import Board
public import Memslots

/// The boot information of a multiboot kernel (Multiboot Specification 0.6.96, 3.3; Multiboot2 Specification 2.0, 3.6), with
/// its place and the places of the modules and of a stack.
///
/// All these places are in RAM below 3 GiB. They overlap neither the image nor each other.
public struct MultibootInfo: Equatable, Sendable {
    /// A version of the specification.
    public enum Version: UInt32, Sendable {
        /// Multiboot 1.
        case one = 0x2bad_b002
        /// Multiboot 2.
        case two = 0x36d7_6289

        /// The number that EAX holds when the kernel starts.
        public var bootMagic: UInt32 { rawValue }
    }

    /// A file that the kernel gets in addition to its image.
    public struct Module: Equatable, Sendable {
        /// The module's string, without the zero that ends it.
        public let string: [UInt8]
        /// The size of the file in bytes.
        public let size: Int

        /// Creates a module.
        public init(string: [UInt8], size: Int) {
            self.string = string
            self.size = size
        }
    }

    /// The version of the specification.
    public let version: Version
    /// The address of the information structure, which EBX holds when the kernel starts.
    public let address: GuestAddress
    /// The bytes from `address` on: the information structure and what it points to, except modules.
    public let bytes: [UInt8]
    /// The address of each module, which is at a page boundary.
    public let moduleAddresses: [GuestAddress]
    /// The end of a stack that the kernel may use, although the specification promises none. It is nil if there is no room for a stack.
    public let stackTop: GuestAddress?

    private static let stackSize: UInt64 = 16 << 10

    /// Finds places for everything beside the taken ranges of the memory, and makes the bytes.
    public init(
        _ version: Version, in memory: KernelMemory, commandLine: [UInt8], modules: [Module]
    ) throws(FirmwareError) {
        let ram = memory.ram
        var (free, ranges) = try memory.placeModules(modules.map(\.size))
        let block = MultibootBlock(
            lowRAM: ram.low, conventionalEnd: min(ram.low, memory.conventionalEnd), map: memory.map, modules: ranges,
            strings: [commandLine, Array("swiftlet".utf8)] + modules.map(\.string))
        let address = try free.takeInformation(block.bytes(version, at: 0).count)
        self.version = version
        self.address = GuestAddress(address)
        bytes = block.bytes(version, at: address)
        moduleAddresses = ranges.map { GuestAddress($0.lowerBound) }
        stackTop = free.take(Self.stackSize, from: Page.size, to: memory.conventionalEnd)
            .map { GuestAddress($0 + Self.stackSize) }
    }
}
