import Memslots

/// Disjoint regions by address, in chunks, so that a change costs no more among many regions than among few.
struct RegionIndex: Sendable {
    private static let largestChunk = 128

    /// In address order, none of them empty.
    private var chunks: [[DecodedRegion]] = []

    var regions: [DecodedRegion] {
        chunks.flatMap { $0 }
    }

    /// The region that holds `address`.
    func region(at address: GuestAddress) -> DecodedRegion? {
        guard let place = firstPlace(endingAtOrAbove: address) else { return nil }
        let region = chunks[place.chunk][place.index]
        return region.range.contains(address) ? region : nil
    }

    /// The regions that overlap `range`, in address order.
    func regions(overlapping range: GuestRange) -> [DecodedRegion] {
        guard let start = firstPlace(endingAtOrAbove: range.first) else { return [] }
        var overlapping: [DecodedRegion] = []
        var first = start.index
        for chunk in chunks[start.chunk...] {
            for region in chunk[first...] {
                guard region.range.first <= range.last else { return overlapping }
                overlapping.append(region)
            }
            first = 0
        }
        return overlapping
    }

    /// Adds `region`, whose range must be free.
    mutating func insert(_ region: DecodedRegion) {
        guard let place = firstPlace(endingAtOrAbove: region.range.first) else {
            return append(region)
        }
        chunks[place.chunk].insert(region, at: place.index)
        splitIfLarge(place.chunk)
    }

    /// Removes `region`, which must be there.
    mutating func remove(_ region: DecodedRegion) {
        guard let place = firstPlace(endingAtOrAbove: region.range.first) else {
            preconditionFailure("\(region) is not in the index")
        }
        let removed = chunks[place.chunk].remove(at: place.index)
        precondition(removed == region, "\(removed) stands where \(region) should")
        if chunks[place.chunk].isEmpty {
            chunks.remove(at: place.chunk)
        }
    }

    private mutating func append(_ region: DecodedRegion) {
        if chunks.isEmpty {
            chunks.append([region])
        } else {
            chunks[chunks.count - 1].append(region)
            splitIfLarge(chunks.count - 1)
        }
    }

    private mutating func splitIfLarge(_ chunk: Int) {
        let count = chunks[chunk].count
        guard count > Self.largestChunk else { return }
        let upper = Array(chunks[chunk][(count / 2)...])
        // A copy, which has no more memory than it needs: where regions come by address, the lower half grows no more.
        chunks[chunk] = Array(chunks[chunk][..<(count / 2)])
        chunks.insert(upper, at: chunk + 1)
    }

    /// The first region that does not end below `address`; nil where all do.
    private func firstPlace(endingAtOrAbove address: GuestAddress) -> (chunk: Int, index: Int)? {
        let chunk = chunks.partitioningIndex { $0[$0.count - 1].range.last >= address }
        guard chunk < chunks.count else { return nil }
        return (chunk, chunks[chunk].partitioningIndex { $0.range.last >= address })
    }
}

extension Array {
    /// The first index from which on `holds`; the count where it never does. It holds for a tail of the array.
    func partitioningIndex(where holds: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low
    }
}
