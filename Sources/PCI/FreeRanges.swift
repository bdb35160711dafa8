/// The free parts of an aperture, from which naturally aligned blocks are taken, lowest first.
struct FreeRanges {
    /// The free ranges in ascending order, each with both of its ends.
    private var ranges: [ClosedRange<UInt64>]
    /// The whole aperture, free or not.
    let whole: ClosedRange<UInt64>

    init(_ range: ClosedRange<UInt64>) {
        whole = range
        ranges = [range]
    }

    /// Takes the lowest free block of `size` bytes at a multiple of `alignment`, a power of two. Returns nil if there is no such
    /// block.
    mutating func take(_ size: UInt64, alignment: UInt64) -> UInt64? {
        for range in ranges {
            let (sum, wraps) = range.lowerBound.addingReportingOverflow(alignment - 1)
            let base = sum & ~(alignment - 1)
            guard !wraps, base <= range.upperBound, range.upperBound - base >= size - 1 else { continue }
            drop(base...base + (size - 1))
            return base
        }
        return nil
    }

    /// Takes a block that begins at `base`. Returns false if not all of it is free.
    mutating func take(at base: UInt64, _ size: UInt64) -> Bool {
        let isFree = ranges.contains { $0.contains(base) && $0.upperBound - base >= size - 1 }
        if isFree { drop(base...base + (size - 1)) }
        return isFree
    }

    /// Removes a range from the free ranges.
    mutating func drop(_ lost: ClosedRange<UInt64>) {
        ranges = ranges.flatMap { range -> [ClosedRange<UInt64>] in
            guard range.overlaps(lost) else { return [range] }
            let below = range.lowerBound < lost.lowerBound ? [range.lowerBound...lost.lowerBound - 1] : []
            return below + (range.upperBound > lost.upperBound ? [lost.upperBound + 1...range.upperBound] : [])
        }
    }
}
