/// A part of a BAR or ROM that is handled in one way.
public struct BARPiece: Hashable, Sendable {
    public enum Kind: String, Codable, CodingKeyRepresentable, Sendable {
        /// Memory that the guest reaches without the monitor.
        case mapped
        /// A hole: every access exits to the monitor.
        case trapped
    }

    /// Bytes from the beginning of the BAR; whole pages, except in BARs smaller than a page.
    public let offsets: Range<UInt64>
    public let kind: Kind

    public init(offsets: Range<UInt64>, kind: Kind) {
        self.offsets = offsets
        self.kind = kind
    }

    public var size: UInt64 {
        offsets.upperBound - offsets.lowerBound
    }
}
