/// The free parts of a range of addresses, from which aligned blocks are taken, lowest first.
package struct FreeRanges {
    /// The free parts in ascending order, each with both of its ends.
    package private(set) var ranges: [ClosedRange<UInt64>]
    /// The whole range, free or not.
    package let whole: ClosedRange<UInt64>

    /// Creates a range that is free as a whole.
    package init(_ range: ClosedRange<UInt64>) {
        whole = range
        ranges = [range]
    }

    /// Takes the lowest free block of `size` bytes at a multiple of `alignment`, a power of two. The block begins at `floor` or
    /// above it, and ends at `last` or below it. Returns nil if there is no such block.
    package mutating func take(
        _ size: UInt64, alignment: UInt64, from floor: UInt64 = 0, to last: UInt64 = .max
    ) -> UInt64? {
        for range in ranges {
            let (sum, wraps) = max(range.lowerBound, floor).addingReportingOverflow(alignment - 1)
            let (base, end) = (sum & ~(alignment - 1), min(range.upperBound, last))
            guard !wraps, base <= end, end - base >= size - 1 else { continue }
            drop(base...base + (size - 1))
            return base
        }
        return nil
    }

    /// Takes a block that begins at `base`. Returns false if not all of it is free.
    package mutating func take(at base: UInt64, _ size: UInt64) -> Bool {
        let isFree = ranges.contains { $0.contains(base) && $0.upperBound - base >= size - 1 }
        if isFree { drop(base...base + (size - 1)) }
        return isFree
    }

    /// Removes a range from the free ranges.
    package mutating func drop(_ lost: ClosedRange<UInt64>) {
        ranges = ranges.flatMap { range -> [ClosedRange<UInt64>] in
            guard range.overlaps(lost) else { return [range] }
            let below = range.lowerBound < lost.lowerBound ? [range.lowerBound...lost.lowerBound - 1] : []
            return below + (range.upperBound > lost.upperBound ? [lost.upperBound + 1...range.upperBound] : [])
        }
    }
}
