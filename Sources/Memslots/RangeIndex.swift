/// Something that lies in a range of guest-physical addresses.
public protocol GuestRanged: Equatable, Sendable {
    /// The addresses.
    var range: GuestRange { get }
}

/// A sorted index of elements with disjoint ranges, in chunks, so that a change costs no more among many elements than among few.
///
/// Everything in it is inlinable, because other modules use it with elements of their own.
public struct RangeIndex<Element: GuestRanged>: Sendable {
    /// The chunks in address order. No chunk is empty.
    @usableFromInline var chunks: [[Element]] = []

    @inlinable static var largestChunk: Int { 128 }

    /// Creates an empty index.
    @inlinable
    public init() {}

    /// All elements, in address order.
    @inlinable
    public var elements: [Element] { chunks.flatMap(\.self) }

    /// Returns the element that contains an address, or nil if there is none.
    @inlinable
    public func element(at address: GuestAddress) -> Element? {
        guard let place = firstPlace(endingAtOrAbove: address) else { return nil }
        let element = chunks[place.chunk][place.index]
        return element.range.contains(address) ? element : nil
    }

    /// Returns the elements that overlap a range, in address order.
    @inlinable
    public func elements(in range: GuestRange) -> [Element] {
        var found: [Element] = []
        forEach(in: range) { found.append($0) }
        return found
    }

    /// Calls `body` with each element that overlaps a range, in address order.
    @inlinable
    public func forEach(in range: GuestRange, _ body: (Element) -> Void) {
        guard let start = firstPlace(endingAtOrAbove: range.first) else { return }
        for chunk in start.chunk..<chunks.count {
            for index in (chunk == start.chunk ? start.index : 0)..<chunks[chunk].count {
                guard chunks[chunk][index].range.first <= range.last else { return }
                body(chunks[chunk][index])
            }
        }
    }

    /// Adds an element. No other element may overlap it.
    @inlinable
    public mutating func insert(_ element: Element) {
        guard !chunks.isEmpty else { return chunks.append([element]) }
        // An element above all others goes to the end of the last chunk.
        let place =
            firstPlace(endingAtOrAbove: element.range.first) ?? (chunks.count - 1, chunks[chunks.count - 1].count)
        chunks[place.chunk].insert(element, at: place.index)
        let count = chunks[place.chunk].count
        guard count > Self.largestChunk else { return }
        let upper = Array(chunks[place.chunk][(count / 2)...])
        // A copy has no more capacity than it needs. If elements come in address order, the lower half never grows again.
        chunks[place.chunk] = Array(chunks[place.chunk][..<(count / 2)])
        chunks.insert(upper, at: place.chunk + 1)
    }

    /// Removes an element, which must be in the index.
    @inlinable
    public mutating func remove(_ element: Element) {
        guard let place = firstPlace(endingAtOrAbove: element.range.first) else {
            preconditionFailure("\(element) is not in the index")
        }
        let removed = chunks[place.chunk].remove(at: place.index)
        precondition(removed == element, "\(removed) stands where \(element) should")
        if chunks[place.chunk].isEmpty {
            chunks.remove(at: place.chunk)
        }
    }

    /// Returns the place of the first element that ends at or above `address`, or nil if all end below it.
    @inlinable
    func firstPlace(endingAtOrAbove address: GuestAddress) -> (chunk: Int, index: Int)? {
        let chunk = chunks.partitioningIndex { $0[$0.count - 1].range.last >= address }
        guard chunk < chunks.count else { return nil }
        return (chunk, chunks[chunk].partitioningIndex { $0.range.last >= address })
    }
}

extension Array {
    /// Returns the first index for which `holds` is true, or the count if there is none. `holds` must be false before some index
    /// and true from it on.
    @inlinable
    public func partitioningIndex(where holds: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
