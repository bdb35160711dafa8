/// A range of guest-physical addresses. By construction it is not empty and does not wrap.
///
/// Both ends belong to the range, so that a range can end at the highest address.
public struct GuestRange: Hashable, Sendable {
    /// The lowest address of the range.
    public let first: GuestAddress
    /// The highest address of the range.
    public let last: GuestAddress

    /// Creates the range of `size` bytes from `first` on. Returns nil if it would be empty or pass the end of the address space.
    @inlinable
    public init?(first: GuestAddress, size: UInt64) {
        guard size > 0, let last = first.advanced(by: size - 1) else { return nil }
        self.init(unchecked: first, last)
    }

    /// Creates the range from `first` to `last`, both included. Returns nil if `last` comes before `first`.
    @inlinable
    public init?(first: GuestAddress, last: GuestAddress) {
        guard first <= last else { return nil }
        self.init(unchecked: first, last)
    }

    @inlinable
    init(unchecked first: GuestAddress, _ last: GuestAddress) {
        self.first = first
        self.last = last
    }

    /// The whole guest-physical address space.
    public static let everything = GuestRange(unchecked: GuestAddress(0), GuestAddress(.max))

    /// The bytes in the range. For the whole address space, whose 2^64 bytes do not fit into a `UInt64`, it is `UInt64.max`.
    @inlinable
    public var size: UInt64 {
        let (size, overflow) = (last.rawValue &- first.rawValue).addingReportingOverflow(1)
        return overflow ? .max : size
    }

    /// The number of 4 KiB pages that the range touches.
    @inlinable
    public var pages: UInt64 {
        last.frame - first.frame + 1
    }

    /// Returns whether an address lies in the range.
    @inlinable
    public func contains(_ address: GuestAddress) -> Bool {
        first <= address && address <= last
    }

    /// Returns whether all of another range lies in this one.
    @inlinable
    public func contains(_ other: GuestRange) -> Bool {
        first <= other.first && other.last <= last
    }

    /// Returns whether the two ranges have an address in common.
    @inlinable
    public func overlaps(_ other: GuestRange) -> Bool {
        first <= other.last && other.first <= last
    }

    /// Returns the addresses that both ranges have in common, or nil if there are none.
    @inlinable
    public func intersection(_ other: GuestRange) -> GuestRange? {
        GuestRange(first: max(first, other.first), last: min(last, other.last))
    }

    /// Returns whether `other` begins right after the end of this range.
    @inlinable
    public func isFollowed(by other: GuestRange) -> Bool {
        last.advanced(by: 1) == other.first
    }

    /// Returns the offset of `address` from the beginning of the range. The address must lie in the range.
    @inlinable
    public func offset(of address: GuestAddress) -> UInt64 {
        precondition(contains(address), "\(address) is not in \(self)")
        return address.rawValue - first.rawValue
    }
}

extension GuestRange: CustomStringConvertible {
    public var description: String {
        "\(first)-\(last)"
    }
}
