/// A place in the trapped memory or the ports of a function.
public struct TrappedPlace: Hashable, Sendable {
    /// The function and its BAR.
    public let owner: BAROwner
    /// The bytes from the beginning of the BAR.
    public let offset: UInt64

    /// Creates a place in a BAR.
    public init(owner: BAROwner, offset: UInt64) {
        self.owner = owner
        self.offset = offset
    }
}
