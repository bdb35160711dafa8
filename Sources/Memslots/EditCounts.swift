/// Edits of slots, by their kind.
public struct EditCounts: Codable, Hashable, Sendable {
    public var created: UInt64 = 0
    public var deleted: UInt64 = 0
    public var moved: UInt64 = 0
    public var flagged: UInt64 = 0

    public init() {}

    public var total: UInt64 {
        created + deleted + moved + flagged
    }

    /// What has come since an earlier count.
    public static func - (later: EditCounts, earlier: EditCounts) -> EditCounts {
        var difference = later
        difference.created -= earlier.created
        difference.deleted -= earlier.deleted
        difference.moved -= earlier.moved
        difference.flagged -= earlier.flagged
        return difference
    }
}
