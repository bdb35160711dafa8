/// A place in the trapped memory or the ports of a function.
public struct TrappedPlace: Hashable, Sendable {
    public let owner: BAROwner
    /// In bytes from the beginning of the BAR.
    public let offset: UInt64

    public init(owner: BAROwner, offset: UInt64) {
        self.owner = owner
        self.offset = offset
    }
}
