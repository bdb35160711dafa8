public import Memslots

/// A piece of a BAR or ROM, where the guest finds it.
public struct DecodedRegion: Hashable, GuestRanged {
    /// The last address that x86-64 page tables can reach: physical addresses have at most 52 bits.
    public static let highestAddress = GuestAddress(1 << 52 - 1)

    public let owner: BAROwner
    public let kind: BARPiece.Kind
    /// ROMs are read-only.
    public let access: Access
    /// The index of the piece in its BAR.
    public let piece: Int
    public let range: GuestRange
    /// Where the piece begins in its BAR, in bytes: with the owner, what backs it.
    public let offset: UInt64

    init(owner: BAROwner, piece: Int, range: GuestRange, of barPiece: BARPiece) {
        self.owner = owner
        self.piece = piece
        self.range = range
        kind = barPiece.kind
        access = owner.register == .rom ? .readOnly : .readWrite
        offset = barPiece.offsets.lowerBound
    }

    /// Appends the pieces of a BAR or ROM that begins at `base`; none of a piece that would pass the last address there is.
    static func append(
        to regions: inout [DecodedRegion], of owner: BAROwner, pieces: [BARPiece], at base: GuestAddress
    ) {
        for (index, piece) in pieces.enumerated() {
            guard let first = base.advanced(by: piece.offsets.lowerBound),
                let range = GuestRange(first: first, size: piece.size)
            else { continue }
            regions.append(DecodedRegion(owner: owner, piece: index, range: range, of: piece))
        }
    }

    /// In bytes.
    public var size: UInt64 { range.size }
}

extension DecodedRegion: CustomStringConvertible {
    public var description: String {
        "\(owner) at \(range), \(kind.rawValue)"
    }
}
