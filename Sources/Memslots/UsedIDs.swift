/// Which ids are in use: a bitmap.
struct UsedIDs: Sendable {
    private var words: [UInt64] = []
    /// No word before this one has a free id.
    private var firstFree = 0

    /// The lowest free id; those from the capacity on are all free.
    var lowestFree: Int {
        firstFree < words.count ? firstFree * 64 + (~words[firstFree]).trailingZeroBitCount : words.count * 64
    }

    /// One more than the highest id in use.
    var end: Int {
        words.lastIndex { $0 != 0 }.map { $0 * 64 + 64 - words[$0].leadingZeroBitCount } ?? 0
    }

    func contains(_ id: Int) -> Bool {
        id >> 6 < words.count && words[id >> 6] >> UInt64(id & 63) & 1 != 0
    }

    /// Adds an id below the capacity.
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

    /// Makes room for ids below `capacity`, or gives back the room from there on, where no id is in use.
    mutating func resize(to capacity: Int) {
        words = (0..<(capacity + 63) / 64).map { $0 < words.count ? words[$0] : 0 }
        firstFree = min(firstFree, words.count)
    }

    /// Bytes of heap memory, spare capacity included.
    var byteSize: Int { heapBytes(words) }
}

/// Heap bytes of an array: its elements, spare ones included, and the two words of header and two of counts before them.
func heapBytes<Element>(_ array: [Element]) -> Int {
    array.capacity == 0 ? 0 : 32 + array.capacity * MemoryLayout<Element>.stride
}
