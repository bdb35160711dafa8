public import Board
public import Memslots
public import PCI

/// What lies where in a guest's memory at one moment.
public struct MemoryDescription: Sendable {
    /// A mapping and the slot that it is in.
    public struct Row: Sendable {
        public let mapping: Mapping
        /// The slot's id; in a plan its number by address.
        public let slot: Int

        public init(mapping: Mapping, slot: Int) {
            self.mapping = mapping
            self.slot = slot
        }
    }

    /// By address.
    public let rows: [Row]
    /// What functions decode, by address.
    public let decoded: [DecodedRegion]
    /// By address.
    public let areas: [AddressMap.Area]
    /// The windows of bridges.
    public let windows: [AddressAssignment]

    /// Pieces of BARs and ROMs whose accesses exit to the monitor, by address.
    public var trapped: [DecodedRegion] {
        decoded.filter { $0.kind == .trapped }
    }

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
