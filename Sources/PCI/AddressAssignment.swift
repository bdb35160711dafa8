import Memslots

/// The address that a BAR, a ROM or a window is to have.
public struct AddressAssignment: Hashable, Sendable {
    /// The register that takes the address.
    public let owner: BAROwner
    /// The first address in memory, or the first port.
    public let base: UInt64
    /// The size in bytes.
    public let size: UInt64

    /// Returns the regions that the pieces of the BAR or ROM have at this address.
    public func regions(of pieces: [BARPiece]) -> [DecodedRegion] {
        var regions: [DecodedRegion] = []
        DecodedRegion.append(to: &regions, of: owner, pieces: pieces, at: GuestAddress(base))
        return regions
    }
}
