public import Memslots

/// Where RAM lies in guest-physical memory: from 0 up to 3 GiB, and what is left from 4 GiB on. The hole between belongs to
/// devices.
public struct RAMLayout: Hashable, Sendable {
    public static let hole = GuestRange(unchecked: 3 << 30, (4 << 30) - 1)

    /// Bytes below the hole.
    public let low: UInt64
    /// Bytes from 4 GiB on.
    public let high: UInt64

    public init(memory: UInt64) {
        low = min(memory, Self.hole.first.rawValue)
        high = memory - low
    }

    /// The address behind all RAM, saturating.
    public var end: UInt64 {
        guard high > 0 else { return low }
        let (end, overflow) = UInt64(4 << 30).addingReportingOverflow(high)
        return overflow ? .max : end
    }

    /// The mappings that hold the RAM, from `offset` of the first backing on; more than two only where one would have
    /// more pages than a slot can.
    public func mappings(offset: UInt64) -> [Mapping] {
        var mappings: [Mapping] = []
        var offset = offset
        for (start, size) in [(0, low), (4 << 30, high)] as [(UInt64, UInt64)] {
            var done: UInt64 = 0
            while done < size {
                let piece = min(size - done, 4 << 40)
                guard let range = GuestRange(first: GuestAddress(start + done), size: piece) else { break }
                mappings.append(Mapping(range: range, backing: Backing(offset: offset), owner: "RAM"))
                done += piece
                offset += piece
            }
        }
        return mappings
    }
}

extension GuestRange {
    fileprivate init(unchecked first: UInt64, _ last: UInt64) {
        guard let range = GuestRange(first: GuestAddress(first), last: GuestAddress(last)) else {
            preconditionFailure("\(first) is above \(last)")
        }
        self = range
    }
}
