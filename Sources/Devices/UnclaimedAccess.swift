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
struct UnclaimedAccesses {
    private var known = Set<UnclaimedAccess>()
    private var new: [UnclaimedAccess] = []

    /// A guest that tries every address must not fill the monitor's memory.
    static let limit = 4096

    mutating func note(_ access: UnclaimedAccess) {
        if known.count < Self.limit, known.insert(access).inserted {
            new.append(access)
        }
    }

    /// Those that have not been taken yet.
    mutating func take() -> [UnclaimedAccess] {
        defer { new = [] }
        return new
    }
}
