/// Pages known to be written: a bit a page in words of 64, those words that have one.
struct DirtyPages: Sendable {
    private struct Word: Hashable {
        var backing: Int
        var number: UInt64
    }

    private var words: [Word: UInt64] = [:]

    mutating func insert(page: UInt64, of backing: Int) {
        words[Word(backing: backing, number: page >> 6), default: 0] |= 1 << (page & 63)
    }

    /// Whether the page is known to be written; it no longer is afterwards.
    mutating func remove(page: UInt64, of backing: Int) -> Bool {
        let word = Word(backing: backing, number: page >> 6)
        let bit: UInt64 = 1 << (page & 63)
        guard let bits = words[word], bits & bit != 0 else { return false }
        words[word] = bits == bit ? nil : bits & ~bit
        return true
    }

    var isEmpty: Bool { words.isEmpty }

    /// Forgets all pages of a backing.
    mutating func forget(backing: Int) { words = words.filter { $0.key.backing != backing } }
}

/// The pages of a guest range that the guest has written.
public struct DirtyBitmap: Hashable, Sendable {
    public let range: GuestRange
    /// A bit a page from the start of the range on, the lowest bit first, as `KVM_GET_DIRTY_LOG` has it.
    public private(set) var words: [UInt64]

    init(range: GuestRange) {
        self.range = range
        words = [UInt64](repeating: 0, count: Int(range.pages + 63) / 64)
    }

    mutating func insert(frame: UInt64) {
        let page = frame - range.first.frame
        words[Int(page >> 6)] |= 1 << (page & 63)
    }

    /// Whether the page that holds `address` was written.
    public func contains(_ address: GuestAddress) -> Bool {
        guard range.contains(address) else { return false }
        let page = address.frame - range.first.frame
        return words[Int(page >> 6)] & 1 << (page & 63) != 0
    }

    /// Pages written.
    public var count: Int {
        words.reduce(0) { $0 + $1.nonzeroBitCount }
    }
}
