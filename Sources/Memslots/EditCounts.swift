/// The number of edits of slots, by kind.
public struct EditCounts: Codable, Hashable, Sendable {
    /// Slots that were created.
    public var created: UInt64 = 0
    /// Slots that were deleted.
    public var deleted: UInt64 = 0
    /// Slots that were moved to another guest-physical address.
    public var moved: UInt64 = 0
    /// Slots whose flags were changed.
    public var flagged: UInt64 = 0

    /// Creates counts of zero.
    public init() {}

    /// The number of all edits.
    public var total: UInt64 {
        created + deleted + moved + flagged
    }

    /// Returns the number of edits that were made between an earlier count and a later one.
    public static func - (later: EditCounts, earlier: EditCounts) -> EditCounts {
        var difference = later
        difference.created -= earlier.created
        difference.deleted -= earlier.deleted
        difference.moved -= earlier.moved
        difference.flagged -= earlier.flagged
        return difference
    }
}
