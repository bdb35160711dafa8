extension Span<UInt64> {
    /// Returns how many elements of a sorted part of the span are at most `key`.
    ///
    /// The search contains no branch that depends on the elements. With random look-ups the processor would mispredict every other
    /// such branch.
    ///
    /// - Parameters:
    ///   - key: A number below 2^63, as all elements are.
    ///   - start: The index of the part's first element.
    ///   - count: The number of elements in the part.
    @inline(__always)
    func countAtMost(_ key: UInt64, from start: Int, count: Int) -> Int {
        precondition(start >= 0 && count >= 0 && start + count <= self.count)
        guard count > 0 else { return 0 }
        var base = start
        var length = count
        while length > 1 {
            let half = length >> 1
            // SAFETY: base + half - 1 is below start + count, and the precondition has checked that sum.
            let element = unsafe self[unchecked: base &+ half &- 1]
            // The sign of the difference, as a shift count of 0 or 63: a shift by 63 turns `half` into 0. Compilers keep this form,
            // but turn a conditional expression or a mask into a branch.
            let isAbove = Int64(bitPattern: key &- element) >> 63
            base &+= half &>> Int(truncatingIfNeeded: isAbove)
            length &-= half
        }
        // SAFETY: base is below start + count, as above.
        return base &- start &+ (unsafe self[unchecked: base] <= key ? 1 : 0)
    }
}

extension [UInt64] {
    /// Moves elements within the array. Source and target may overlap.
    mutating func moveElements(from source: Int, to target: Int, count: Int) {
        precondition(
            count >= 0 && source >= 0 && target >= 0 && source + count <= self.count && target + count <= self.count)
        unsafe withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the precondition has checked that both parts lie in the array.
            guard let base = buffer.baseAddress else { return }
            unsafe (base + target).update(from: base + source, count: count)
        }
    }
}
