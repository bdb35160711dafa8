/// Where a BAR or ROM is to lie.
public struct AddressAssignment: Hashable, Sendable {
    public let owner: BAROwner
    /// In memory, or among the ports.
    public let base: UInt64
    /// In bytes.
    public let size: UInt64
}
