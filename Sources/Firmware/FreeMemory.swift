internal import Board
internal import Memslots

/// The free parts of the RAM below 3 GiB.
struct FreeMemory {
    private var space: FreeRanges

    /// Creates the memory from 0 up to `end`, without the ranges that are taken.
    init(end: UInt64, taken: [GuestRange]) {
        space = FreeRanges(0...max(end, 1) - 1)
        for range in taken { space.drop(range.first.rawValue...range.last.rawValue) }
    }

    /// Takes a place at a page boundary for `size` bytes. The place is the lowest one from 1 MiB on that lies behind all taken
    /// ranges, because there kernels expect the data that were loaded with them. If there is no such place, takes the lowest
    /// free one from the second page on.
    ///
    /// - Returns: The address of the place, or nil if there is no room.
    mutating func take(_ size: UInt64) -> UInt64? {
        let behind = space.ranges.last.flatMap { $0.upperBound == space.whole.upperBound ? $0.lowerBound : nil }
        return behind.flatMap { take(size, from: max(BootMemory.extended, $0)) } ?? take(size, from: Page.size)
    }

    /// Takes the lowest free place for `size` bytes at a page boundary, from `floor` on and below `limit`.
    ///
    /// - Returns: The address of the place, or nil if there is no room.
    mutating func take(_ size: UInt64, from floor: UInt64, to limit: UInt64 = .max) -> UInt64? {
        space.take(size, alignment: Page.size, from: floor, to: limit - 1)
    }
}
