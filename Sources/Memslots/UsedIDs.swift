/// The set of ids in use, as a bitmap.
struct UsedIDs: Sendable {
    private var words: [UInt64] = []
    /// The index of a word. All words before it are full.
    private var firstFree = 0

    /// The lowest free id. Ids from the capacity on count as free.
    var lowestFree: Int {
        firstFree < words.count ? firstFree * 64 + (~words[firstFree]).trailingZeroBitCount : words.count * 64
    }

    /// The highest id in use, plus one. It is 0 if no id is in use.
    var end: Int {
        words.lastIndex { $0 != 0 }.map { $0 * 64 + 64 - words[$0].leadingZeroBitCount } ?? 0
    }

    func contains(_ id: Int) -> Bool {
        id >> 6 < words.count && words[id >> 6] >> UInt64(id & 63) & 1 != 0
    }

    /// Adds an id, which must be free and below the capacity.
    mutating func insert(_ id: Int) {
        precondition(!contains(id), "id \(id) is not free")
        words[id >> 6] |= 1 << UInt64(id & 63)
        while firstFree < words.count, words[firstFree] == .max { firstFree += 1 }
    }

    mutating func remove(_ id: Int) {
        precondition(contains(id), "id \(id) is free already")
        words[id >> 6] &= ~(1 << UInt64(id & 63))
        firstFree = min(firstFree, id >> 6)
    }

    /// Makes room for ids below `capacity`, or gives up the room for ids from `capacity` on. None of these may be in use.
    mutating func resize(to capacity: Int) {
        words = (0..<(capacity + 63) / 64).map { $0 < words.count ? words[$0] : 0 }
        firstFree = min(firstFree, words.count)
    }

    /// The bytes of heap memory that the bitmap takes, spare capacity included.
    var byteSize: Int { heapBytes(words) }
}

/// Returns the heap bytes of an array: its capacity, and before it two words for the object's header and two for the counts.
func heapBytes<Element>(_ array: [Element]) -> Int {
    array.capacity == 0 ? 0 : 32 + array.capacity * MemoryLayout<Element>.stride
}
