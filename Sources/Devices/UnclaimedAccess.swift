/// An access that no device answered.
public struct UnclaimedAccess: Hashable, Sendable {
    public let address: UInt64
    public let width: AccessWidth
    public let isWrite: Bool

    public init(address: UInt64, width: AccessWidth, isWrite: Bool) {
        self.address = address
        self.width = width
        self.isWrite = isWrite
    }
}

/// The unclaimed accesses of a run, each once, no matter how often and where else a guest looks.
public struct UnclaimedAccesses: Sendable {
    private var known = Set<UnclaimedAccess>()

    /// A guest that tries every address must not fill the monitor's memory.
    public static let limit = 4096

    public init() {}

    /// Whether the access is the first of its kind; false also where there have been too many kinds.
    public mutating func note(_ access: UnclaimedAccess) -> Bool {
        known.count < Self.limit && known.insert(access).inserted
    }
}
