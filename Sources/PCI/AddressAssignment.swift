import Memslots

/// Where a BAR or ROM is to lie.
public struct AddressAssignment: Hashable, Sendable {
    public let owner: BAROwner
    /// In memory, or among the ports.
    public let base: UInt64
    /// In bytes.
    public let size: UInt64

    /// Where the pieces of a BAR or ROM come to lie.
    public func regions(of pieces: [BARPiece]) -> [DecodedRegion] {
        var regions: [DecodedRegion] = []
        DecodedRegion.append(to: &regions, of: owner, pieces: pieces, at: GuestAddress(base))
        return regions
    }
}
