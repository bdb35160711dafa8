internal import Board
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

    /// Places everything beside what is taken of the memory.
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
