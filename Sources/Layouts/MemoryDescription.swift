public import Board
public import Memslots
public import PCI

/// The layout of a guest's memory at one moment.
public struct MemoryDescription: Sendable {
    /// A mapping, and the slot that it is in.
    public struct Row: Sendable {
        /// The mapping.
        public let mapping: Mapping
        /// The slot's id. In a plan it is the slot's number in the order of addresses.
        public let slot: Int

        /// Makes a row.
        public init(mapping: Mapping, slot: Int) {
            self.mapping = mapping
            self.slot = slot
        }
    }

    /// The mappings in order of their addresses.
    public let rows: [Row]
    /// The regions that functions decode, in order of their addresses.
    public let decoded: [DecodedRegion]
    /// The areas of the board, in order of their addresses.
    public let areas: [AddressMap.Area]
    /// The memory windows of bridges.
    public let windows: [AddressAssignment]

    /// The decoded regions whose accesses exit to the monitor, in order of their addresses.
    public var trapped: [DecodedRegion] {
        decoded.filter { $0.kind == .trapped }
    }

    /// Makes a description. Of `windows`, only the memory windows of bridges are kept.
    public init(
        rows: [Row], decoded: [DecodedRegion], areas: [AddressMap.Area], windows: [AddressAssignment] = []
    ) {
        self.rows = rows
        self.decoded = decoded
        self.areas = areas
        self.windows = windows.filter {
            [.window(.memory), .window(.prefetchable)].contains($0.owner.register)
        }
    }
}
