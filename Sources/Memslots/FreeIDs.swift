/// Which ids are free: a bitmap with a summary of each 64 words, so that the lowest one is found in three steps.
///
/// A set bit is a free id; in the summaries, a word that holds one.
struct FreeIDs: Sendable {
    /// Ids below this one are known here; those from it on are all free.
    private(set) var capacity = 0
    private var words: [UInt64] = []
    private var summary: [UInt64] = []
    private var top: UInt64 = 0

    /// The most ids that three levels of 64 bits tell apart.
    static let maximumCapacity = 64 * 64 * 64

    /// The lowest free id below `capacity`.
    var lowest: Int? {
        guard top != 0 else { return nil }
        let outer = top.trailingZeroBitCount
        let inner = outer * 64 + summary[outer].trailingZeroBitCount
        return inner * 64 + words[inner].trailingZeroBitCount
    }

    func isFree(_ id: Int) -> Bool {
        id >= capacity || words[id >> 6] & bit(id) != 0
    }

    mutating func take(_ id: Int) {
        precondition(id < capacity && isFree(id), "id \(id) is not free")
        let inner = id >> 6
        words[inner] &= ~bit(id)
        guard words[inner] == 0 else { return }
        summary[inner >> 6] &= ~bit(inner)
        guard summary[inner >> 6] == 0 else { return }
        top &= ~bit(inner >> 6)
    }

    mutating func release(_ id: Int) {
        precondition(!isFree(id), "id \(id) is free already")
        let inner = id >> 6
        words[inner] |= bit(id)
        summary[inner >> 6] |= bit(inner)
        top |= bit(inner >> 6)
    }

    /// Grows, or shrinks where all ids from the new capacity on are free.
    mutating func resize(to newCapacity: Int) {
        precondition(newCapacity <= Self.maximumCapacity)
        let old = self
        self = FreeIDs()
        capacity = newCapacity
        words = [UInt64](repeating: 0, count: (newCapacity + 63) / 64)
        summary = [UInt64](repeating: 0, count: (words.count + 63) / 64)
        for word in words.indices {
            words[word] = old.freeWord(word) & Self.mask(below: newCapacity - word * 64)
            guard words[word] != 0 else { continue }
            summary[word >> 6] |= bit(word)
            top |= bit(word >> 6)
        }
    }

    /// Bytes of heap memory, spare capacity included.
    var byteSize: Int {
        heapBytes(words) + heapBytes(summary)
    }

    private func freeWord(_ word: Int) -> UInt64 {
        guard word < words.count else { return .max }
        return words[word] | ~Self.mask(below: capacity - word * 64)
    }

    private func bit(_ id: Int) -> UInt64 {
        1 << UInt64(id & 63)
    }

    /// The lowest `count` bits, all 64 where there are more.
    private static func mask(below count: Int) -> UInt64 {
        count >= 64 ? .max : (1 << UInt64(max(0, count))) - 1
    }
}

/// Heap bytes of an array: its elements, spare ones included, and the two words of header and two of counts before them.
func heapBytes<Element>(_ array: [Element]) -> Int {
    array.capacity == 0 ? 0 : 32 + array.capacity * MemoryLayout<Element>.stride
}
