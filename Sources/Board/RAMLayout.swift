public import Memslots

/// The ranges of RAM in guest-physical memory: from 0 up to 3 GiB, and the rest from 4 GiB on. The hole between the two ranges
/// belongs to devices.
public struct RAMLayout: Hashable, Sendable {
    /// The addresses between the two ranges of the RAM.
    public static let hole = constantRange(3 << 30, size: 1 << 30)
    /// The first address of the RAM's upper range.
    public static let highStart: UInt64 = 4 << 30

    /// The bytes of RAM below the hole.
    public let low: UInt64
    /// The bytes of RAM from 4 GiB on.
    public let high: UInt64

    /// Creates the layout of a machine with `memory` bytes of RAM.
    public init(memory: UInt64) {
        low = min(memory, Self.hole.first.rawValue)
        high = memory - low
    }

    init(low: UInt64, high: UInt64) {
        self.low = min(low, Self.hole.first.rawValue)
        self.high = high
    }

    /// The first address above all RAM, or `UInt64.max` if the RAM would reach beyond the last 64-bit address.
    public var end: UInt64 {
        guard high > 0 else { return low }
        let (end, overflow) = Self.highStart.addingReportingOverflow(high)
        return overflow ? .max : end
    }

    /// The ranges of the RAM, by address. RAM of more than 4 TiB is split, because a slot has fewer than 2^31 pages.
    public var ranges: [GuestRange] {
        var ranges: [GuestRange] = []
        for (start, size) in [(0, low), (Self.highStart, high)] {
            var done: UInt64 = 0
            while done < size {
                let piece = min(size - done, 4 << 40)
                guard let range = GuestRange(first: GuestAddress(start + done), size: piece) else { break }
                ranges.append(range)
                done += piece
            }
        }
        return ranges
    }

    /// Returns the mappings of the RAM.
    ///
    /// - Parameter backing: The host memory of the first byte of RAM. The rest of the RAM follows without gaps.
    public func mappings(of backing: Backing) -> [Mapping] {
        var backing = backing
        return ranges.map { range in
            defer { backing.offset += range.size }
            return Mapping(range: range, backing: backing, owner: .ram)
        }
    }
}

/// Returns a range that constants describe.
func constantRange(_ first: UInt64, size: UInt64) -> GuestRange {
    guard let range = GuestRange(first: GuestAddress(first), size: size) else {
        preconditionFailure("\(size) bytes from \(hexadecimal(first)) on pass the address space")
    }
    return range
}
