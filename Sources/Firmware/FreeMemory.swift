internal import Board
internal import Memslots

/// RAM below 3 GiB of which parts are taken.
struct FreeMemory {
    let end: UInt64
    private var taken: [GuestRange]

    init(end: UInt64, taken: [GuestRange]) {
        self.end = end
        self.taken = taken.sorted { $0.first < $1.first }
    }

    /// Takes the lowest place behind all that is taken, from 1 MiB on, where kernels expect what was loaded with them; else the lowest
    /// of all. Returns its address, or nil if there is none.
    mutating func take(_ size: UInt64) -> UInt64? {
        let last = taken.last { $0.first.rawValue < end }?.last.rawValue ?? 0
        return take(size, from: max(BootMemory.extended, last < end ? last + 1 : end)) ?? take(size, from: Page.size)
    }

    /// Takes the lowest place at a page boundary from `floor` on, below `limit`. Returns its address, or nil if there is none.
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

    /// An address, which is far from the last one there is, rounded up to a page.
    private static func pageEnd(_ address: UInt64) -> UInt64 {
        (address + Page.size - 1) / Page.size * Page.size
    }
}
