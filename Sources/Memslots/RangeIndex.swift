/// Something that lies in a range of guest memory.
public protocol GuestRanged: Equatable, Sendable {
    var range: GuestRange { get }
}

/// Disjoint elements by address, in chunks, so that a change costs no more among many elements than among few.
///
/// All of it can be inlined: the other modules that use it have elements of their own.
public struct RangeIndex<Element: GuestRanged>: Sendable {
    /// In address order, none of them empty.
    @usableFromInline var chunks: [[Element]] = []

    @inlinable static var largestChunk: Int { 128 }

    @inlinable
    public init() {}

    /// All elements, in address order.
    @inlinable
    public var elements: [Element] { chunks.flatMap(\.self) }

    /// The element that holds `address`.
    @inlinable
    public func element(at address: GuestAddress) -> Element? {
        guard let place = firstPlace(endingAtOrAbove: address) else { return nil }
        let element = chunks[place.chunk][place.index]
        return element.range.contains(address) ? element : nil
    }

    /// The elements that overlap `range`, in address order.
    @inlinable
    public func elements(in range: GuestRange) -> [Element] {
        var found: [Element] = []
        forEach(in: range) { found.append($0) }
        return found
    }

    /// Calls `body` with the elements that overlap `range`, in address order.
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

    /// Adds an element, whose range must be free.
    @inlinable
    public mutating func insert(_ element: Element) {
        guard !chunks.isEmpty else { return chunks.append([element]) }
        // What lies behind all others goes to the end of the last chunk.
        let place =
            firstPlace(endingAtOrAbove: element.range.first) ?? (chunks.count - 1, chunks[chunks.count - 1].count)
        chunks[place.chunk].insert(element, at: place.index)
        let count = chunks[place.chunk].count
        guard count > Self.largestChunk else { return }
        let upper = Array(chunks[place.chunk][(count / 2)...])
        // A copy, which has no more memory than it needs: where elements come by address, the lower half grows no more.
        chunks[place.chunk] = Array(chunks[place.chunk][..<(count / 2)])
        chunks.insert(upper, at: place.chunk + 1)
    }

    /// Removes an element, which must be there.
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

    /// Replaces an element by one in the same range.
    @inlinable
    public mutating func replace(_ element: Element) {
        guard let place = firstPlace(endingAtOrAbove: element.range.first) else { return }
        precondition(chunks[place.chunk][place.index].range == element.range)
        chunks[place.chunk][place.index] = element
    }

    /// The first element that does not end below `address`; nil where all do.
    @inlinable
    func firstPlace(endingAtOrAbove address: GuestAddress) -> (chunk: Int, index: Int)? {
        let chunk = chunks.partitioningIndex { $0[$0.count - 1].range.last >= address }
        guard chunk < chunks.count else { return nil }
        return (chunk, chunks[chunk].partitioningIndex { $0.range.last >= address })
    }
}

extension Array {
    /// The first index from which on `holds`; the count where it never does. It holds for a tail of the array.
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
