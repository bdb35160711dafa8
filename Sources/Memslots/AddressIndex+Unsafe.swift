extension Span<UInt64> {
    /// How many of the sorted elements in a part of the span are at most `key`.
    ///
    /// The search takes no branch that depends on the elements: where look-ups are random, each such branch would be
    /// mispredicted every other time.
    @inline(__always)
    func countAtMost(_ key: UInt64, from start: Int, count: Int) -> Int {
        precondition(start >= 0 && count >= 0 && start + count <= self.count)
        guard count > 0 else { return 0 }
        var base = start
        var length = count
        while length > 1 {
            let half = length >> 1
            // SAFETY: base + half is below start + count, which has been checked.
            let element = unsafe self[unchecked: base &+ half &- 1]
            // The sign of the difference is 63 as a shift, which leaves nothing of a half. Compilers leave that alone; a
            // choice, or a mask, they make a branch.
            let isAbove = Int64(bitPattern: key &- element) >> 63
            base &+= half &>> Int(truncatingIfNeeded: isAbove)
            length &-= half
        }
        // SAFETY: as above.
        return base &- start &+ (unsafe self[unchecked: base] <= key ? 1 : 0)
    }
}

extension [UInt64] {
    /// Moves elements within the array; source and target may overlap.
    mutating func moveElements(from source: Int, to target: Int, count: Int) {
        precondition(
            count >= 0 && source >= 0 && target >= 0 && source + count <= self.count && target + count <= self.count)
        unsafe withUnsafeMutableBufferPointer { buffer in
            // SAFETY: both parts have been checked.
            guard let base = buffer.baseAddress else { return }
            unsafe (base + target).update(from: base + source, count: count)
        }
    }
}
