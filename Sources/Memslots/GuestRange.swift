/// A range of guest-physical addresses, valid by construction: it is not empty and does not wrap.
///
/// Both ends belong to the range, so that one may end at the last address there is.
public struct GuestRange: Hashable, Sendable {
    public let first: GuestAddress
    public let last: GuestAddress

    /// The range of `size` bytes from `first`, or nil where it would be empty or pass the end of the address space.
    @inlinable
    public init?(first: GuestAddress, size: UInt64) {
        guard size > 0, let last = first.advanced(by: size - 1) else { return nil }
        self.init(unchecked: first, last)
    }

    /// The range from `first` to `last`, both included, or nil where `last` comes before `first`.
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

    /// Bytes in the range. The whole address space, whose 2^64 bytes no `UInt64` holds, says `UInt64.max`.
    @inlinable
    public var size: UInt64 {
        let (size, overflow) = (last.rawValue &- first.rawValue).addingReportingOverflow(1)
        return overflow ? .max : size
    }

    /// 4 KiB pages in the range; a part of one counts as a page.
    @inlinable
    public var pages: UInt64 {
        last.frame - first.frame + 1
    }

    @inlinable
    public func contains(_ address: GuestAddress) -> Bool {
        first <= address && address <= last
    }

    @inlinable
    public func contains(_ other: GuestRange) -> Bool {
        first <= other.first && other.last <= last
    }

    @inlinable
    public func overlaps(_ other: GuestRange) -> Bool {
        first <= other.last && other.first <= last
    }

    /// The part that both ranges cover.
    @inlinable
    public func intersection(_ other: GuestRange) -> GuestRange? {
        GuestRange(first: max(first, other.first), last: min(last, other.last))
    }

    /// Whether `other` begins right behind this range.
    @inlinable
    public func isFollowed(by other: GuestRange) -> Bool {
        last.advanced(by: 1) == other.first
    }

    /// The offset of `address` in the range; `address` must lie in it.
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
