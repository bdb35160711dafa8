internal import Board
internal import Memslots

/// The RAM below 3 GiB, with the ranges of it that are taken.
struct FreeMemory {
    /// The end of that RAM.
    let end: UInt64
    private var taken: [GuestRange]

    init(end: UInt64, taken: [GuestRange]) {
        self.end = end
        self.taken = taken.sorted { $0.first < $1.first }
    }

    /// Takes a place at a page boundary for `size` bytes. The place is the lowest one from 1 MiB on that lies behind all taken
    /// ranges, because there kernels expect the data that were loaded with them. If there is no such place, takes the lowest
    /// free one from the second page on.
    ///
    /// - Returns: The address of the place, or nil if there is no room.
    mutating func take(_ size: UInt64) -> UInt64? {
        let last = taken.last { $0.first.rawValue < end }?.last.rawValue ?? 0
        return take(size, from: max(BootMemory.extended, last < end ? last + 1 : end)) ?? take(size, from: Page.size)
    }

    /// Takes the lowest free place for `size` bytes at a page boundary, from `floor` on and below `limit`.
    ///
    /// - Returns: The address of the place, or nil if there is no room.
    mutating func take(_ size: UInt64, from floor: UInt64, to limit: UInt64 = .max) -> UInt64? {
        var next = Self.pageEnd(floor)
        for range in taken where range.last.rawValue >= next {
            if range.first.rawValue >= next, range.first.rawValue - next >= size { break }
            guard range.last.rawValue < end else { return nil }
            next = Self.pageEnd(range.last.rawValue + 1)
        }
        let limit = min(limit, end)
        guard next < limit, limit - next >= size, let range = GuestRange(first: GuestAddress(next), size: size) else {
            return nil
        }
        taken.append(range)
        taken.sort { $0.first < $1.first }
        return next
    }

    /// Returns an address rounded up to a page boundary. The address must be far below 2^64, so that nothing overflows.
    private static func pageEnd(_ address: UInt64) -> UInt64 {
        (address + Page.size - 1) / Page.size * Page.size
    }
}
