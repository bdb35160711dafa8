/// A part of a BAR or ROM that is handled in one way: mapped or trapped.
public struct BARPiece: Hashable, Sendable {
    /// The way in which accesses to a piece are handled.
    public enum Kind: String, Codable, CodingKeyRepresentable, Sendable {
        /// Memory that the guest reaches without the monitor.
        case mapped
        /// A hole in the mapped memory: every access exits to the monitor.
        case trapped
    }

    /// The place of the piece, in bytes from the beginning of the BAR. A piece consists of whole pages, except in BARs smaller than
    /// a page.
    public let offsets: Range<UInt64>
    /// The way in which accesses to this piece are handled.
    public let kind: Kind

    /// Creates a piece of a BAR or ROM.
    public init(offsets: Range<UInt64>, kind: Kind) {
        self.offsets = offsets
        self.kind = kind
    }

    /// The size in bytes.
    public var size: UInt64 {
        offsets.upperBound - offsets.lowerBound
    }
}
