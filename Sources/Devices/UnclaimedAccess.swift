/// An access that neither a device nor a function answered.
public struct UnclaimedAccess: Hashable, Sendable {
    /// The port or the guest-physical address.
    public let address: UInt64
    /// The width of the access.
    public let width: AccessWidth
    /// Whether the guest wrote.
    public let isWrite: Bool

    /// Creates an unclaimed access.
    public init(address: UInt64, width: AccessWidth, isWrite: Bool) {
        self.address = address
        self.width = width
        self.isWrite = isWrite
    }
}

/// The unclaimed accesses of a run. Each is kept once, however often the guest repeats it.
public struct UnclaimedAccesses: Sendable {
    private var known = Set<UnclaimedAccess>()

    /// The largest number of accesses that are kept. A guest that tries every address must not fill the monitor's memory.
    public static let limit = 4096

    /// Creates a set without accesses.
    public init() {}

    /// Adds an access. Returns whether it is new. Returns false once the limit is reached.
    public mutating func note(_ access: UnclaimedAccess) -> Bool {
        known.count < Self.limit && known.insert(access).inserted
    }
}
