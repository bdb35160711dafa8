public import Memslots

/// A piece of a BAR or ROM, at the address at which it is decoded.
public struct DecodedRegion: Hashable, GuestRanged {
    /// The last address that x86-64 page tables can reach: physical addresses have at most 52 bits.
    public static let highestAddress = GuestAddress(1 << 52 - 1)

    /// The function and its BAR or ROM.
    public let owner: BAROwner
    /// Whether the piece is mapped or trapped.
    public let kind: BARPiece.Kind
    /// The guest's access to the region. ROMs are read-only.
    public let access: Access
    /// The index of the piece in its BAR or ROM.
    public let piece: Int
    /// The addresses of the region.
    public let range: GuestRange
    /// The beginning of the piece, in bytes from the beginning of the BAR. Owner and offset together say which memory backs the
    /// piece.
    public let offset: UInt64

    init(owner: BAROwner, piece: Int, range: GuestRange, of barPiece: BARPiece) {
        self.owner = owner
        self.piece = piece
        self.range = range
        kind = barPiece.kind
        access = owner.register == .rom ? .readOnly : .readWrite
        offset = barPiece.offsets.lowerBound
    }

    /// Appends the regions of a BAR or ROM that begins at `base`. Leaves out a piece that would pass the last address there is.
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

    /// The size in bytes.
    public var size: UInt64 { range.size }
}

extension DecodedRegion: CustomStringConvertible {
    /// The region in words, such as its owner, its addresses, and `mapped`.
    public var description: String {
        "\(owner) at \(range), \(kind.rawValue)"
    }
}
