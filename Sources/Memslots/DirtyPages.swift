/// The pages of backings that the guest is known to have written: one bit for each page, in words of 64 bits. Words without a set
/// bit are not stored.
struct DirtyPages: Sendable {
    private struct Word: Hashable {
        var backing: Int
        var number: UInt64
    }

    private var words: [Word: UInt64] = [:]

    mutating func insert(page: UInt64, of backing: Int) {
        words[Word(backing: backing, number: page >> 6), default: 0] |= 1 << (page & 63)
    }

    /// Removes a page. Returns whether it was known to be written.
    mutating func remove(page: UInt64, of backing: Int) -> Bool {
        let word = Word(backing: backing, number: page >> 6)
        let bit: UInt64 = 1 << (page & 63)
        guard let bits = words[word], bits & bit != 0 else { return false }
        words[word] = bits == bit ? nil : bits & ~bit
        return true
    }

    var isEmpty: Bool { words.isEmpty }

    /// Forgets all written pages of a backing.
    mutating func forget(backing: Int) { words = words.filter { $0.key.backing != backing } }
}

/// The pages of a guest range that the guest has written.
public struct DirtyBitmap: Hashable, Sendable {
    /// The range that the bitmap describes.
    public let range: GuestRange
    /// One bit for each page of the range, beginning with the lowest bit of the first word, as in the bitmap of
    /// `KVM_GET_DIRTY_LOG`.
    public private(set) var words: [UInt64]

    init(range: GuestRange) {
        self.range = range
        words = [UInt64](repeating: 0, count: Int(range.pages + 63) / 64)
    }

    mutating func insert(frame: UInt64) {
        let page = frame - range.first.frame
        words[Int(page >> 6)] |= 1 << (page & 63)
    }

    /// Returns whether the guest has written the page that contains `address`.
    public func contains(_ address: GuestAddress) -> Bool {
        guard range.contains(address) else { return false }
        let page = address.frame - range.first.frame
        return words[Int(page >> 6)] & 1 << (page & 63) != 0
    }

    /// The number of written pages.
    public var count: Int {
        words.reduce(0) { $0 + $1.nonzeroBitCount }
    }
}
