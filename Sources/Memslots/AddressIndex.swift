/// Finds things by guest address: entries of a guest frame number and a payload, sorted by frame.
///
/// One flat sorted array would move half of its entries at each insertion, 17 us at 32,000 entries. So the entries lie
/// in chunks of at most 128: small enough to insert into at once, large enough that their directory stays in the cache.
/// All chunks share one array, so that a look-up touches no reference counts.
struct AddressIndex: Sendable {
    /// An entry: the frame in bits 62-23, so that entries sort by it, and the payload below. The sign bit stays
    /// clear, for the search takes the sign of differences.
    struct Entry: Hashable, Comparable, Sendable {
        let bits: UInt64

        static let payloadBits: UInt64 = 23
        static let maximumFrame: UInt64 = (1 << 40) - 1
        static let maximumPayload = (1 << 23) - 1

        @inline(__always)
        init(bits: UInt64) {
            self.bits = bits
        }

        init(frame: UInt64, payload: Int) {
            precondition(frame <= Self.maximumFrame && 0...Self.maximumPayload ~= payload)
            bits = frame << Self.payloadBits | UInt64(payload)
        }

        @inline(__always)
        var frame: UInt64 { bits >> Self.payloadBits }

        @inline(__always)
        var payload: Int { Int(truncatingIfNeeded: bits & UInt64(Self.maximumPayload)) }

        static func < (left: Entry, right: Entry) -> Bool { left.bits < right.bits }
    }

    /// A place in the index, valid until the next change; `atEnd` follows the last entry.
    struct Position: Equatable, Sendable {
        var chunk: Int
        var offset: Int
    }

    private static let chunkCapacity = 128
    private static let smallestSlab = 8

    /// The slabs of all chunks one after the other. While there is only one it may be smaller than a chunk.
    private var entries: [UInt64] = []
    /// For each chunk, by address: its first entry, the slab that it lies in, and the number of its entries.
    private var firsts: [UInt64] = []
    private var slabs: [UInt32] = []
    private var counts: [UInt8] = []

    private(set) var count = 0

    /// The position of the last entry whose frame is `frame` or lower, or nil.
    @inline(__always)
    func position(atOrBelow frame: UInt64) -> Position? {
        // The largest entry that this frame could have; a frame that no entry can have lies above all of them.
        let key = min(frame, Entry.maximumFrame) << Entry.payloadBits | UInt64(Entry.maximumPayload)
        // Where there is one chunk at most, it holds all entries: what the directory says need not be waited for.
        guard firsts.count > 1 else {
            let offset = entries.span.countAtMost(key, from: 0, count: count) &- 1
            return offset < 0 ? nil : Position(chunk: 0, offset: offset)
        }
        let chunk = firsts.span.countAtMost(key, from: 0, count: firsts.count) &- 1
        guard chunk >= 0 else { return nil }
        let start = Int(slabs[chunk]) * Self.chunkCapacity
        let offset = entries.span.countAtMost(key, from: start, count: Int(counts[chunk])) &- 1
        return Position(chunk: chunk, offset: offset)
    }

    /// The position of the first entry whose frame is `frame` or higher, or nil.
    func position(atOrAbove frame: UInt64) -> Position? {
        guard frame > 0 else { return first }
        guard let below = position(atOrBelow: frame - 1) else { return first }
        return position(after: below)
    }

    var first: Position? {
        count == 0 ? nil : Position(chunk: 0, offset: 0)
    }

    @inline(__always)
    func position(after position: Position) -> Position? {
        if position.offset + 1 < Int(counts[position.chunk]) {
            return Position(chunk: position.chunk, offset: position.offset + 1)
        }
        return position.chunk + 1 < firsts.count ? Position(chunk: position.chunk + 1, offset: 0) : nil
    }

    @inline(__always)
    subscript(position: Position) -> Entry {
        Entry(bits: entries[Int(slabs[position.chunk]) * Self.chunkCapacity + position.offset])
    }

    mutating func insert(_ entry: Entry) {
        // Last, for the search takes the count for that of the only chunk.
        defer { count += 1 }
        guard !firsts.isEmpty else {
            return appendChunk(at: 0, holding: entry)
        }
        // Entries below all others go into the first chunk.
        let below = position(atOrBelow: entry.frame) ?? Position(chunk: 0, offset: -1)
        var chunk = below.chunk
        var offset = below.offset + 1
        if Int(counts[chunk]) == Self.chunkCapacity {
            // Filling up from below is common: it starts a new chunk and leaves full ones behind.
            if chunk == firsts.count - 1, offset == Self.chunkCapacity {
                return appendChunk(at: chunk + 1, holding: entry)
            }
            split(chunk)
            let half = Int(counts[chunk])
            if offset > half {
                chunk += 1
                offset -= half
            }
        }
        insert(entry.bits, into: chunk, at: offset)
    }

    /// Removes an entry that is in the index.
    mutating func remove(_ entry: Entry) {
        guard let position = position(atOrBelow: entry.frame), self[position] == entry else {
            preconditionFailure("frame \(entry.frame) is not in the index")
        }
        remove(at: position)
    }

    /// Removes the entry at a position, which means nothing afterwards.
    mutating func remove(at position: Position) {
        count -= 1
        let chunk = position.chunk
        let start = Int(slabs[chunk]) * Self.chunkCapacity
        let last = start + Int(counts[chunk]) - 1
        entries.moveElements(
            from: start + position.offset + 1, to: start + position.offset, count: last - start - position.offset)
        counts[chunk] -= 1
        if counts[chunk] == 0 {
            return removeChunk(chunk)
        }
        if position.offset == 0 {
            firsts[chunk] = entries[start]
        }
        mergeIfSparse(chunk)
    }

    /// Bytes of heap memory, spare capacity included.
    var byteSize: Int {
        heapBytes(entries) + heapBytes(firsts) + heapBytes(slabs) + heapBytes(counts)
    }
}

// MARK: - Chunks

extension AddressIndex {
    private mutating func insert(_ bits: UInt64, into chunk: Int, at offset: Int) {
        growFirstSlab(toHold: Int(counts[chunk]) + 1)
        let start = Int(slabs[chunk]) * Self.chunkCapacity
        entries.moveElements(from: start + offset, to: start + offset + 1, count: Int(counts[chunk]) - offset)
        entries[start + offset] = bits
        counts[chunk] += 1
        if offset == 0 {
            firsts[chunk] = bits
        }
    }

    /// While there is one chunk, its slab doubles from a handful of entries up to a whole chunk.
    private mutating func growFirstSlab(toHold needed: Int) {
        guard needed > entries.count else { return }
        resizeEntries(to: min(Self.chunkCapacity, max(Self.smallestSlab, entries.count * 2)))
    }

    private mutating func appendChunk(at chunk: Int, holding entry: Entry) {
        makeChunk(at: chunk)
        insert(entry.bits, into: chunk, at: 0)
    }

    /// Puts an empty chunk with a slab of its own into the directory.
    private mutating func makeChunk(at chunk: Int) {
        let slab = firsts.count
        if slab > 0 {
            resizeEntries(to: (slab + 1) * Self.chunkCapacity)
        }
        firsts.insert(0, at: chunk)
        slabs.insert(UInt32(slab), at: chunk)
        counts.insert(0, at: chunk)
    }

    private mutating func split(_ chunk: Int) {
        makeChunk(at: chunk + 1)
        let half = Self.chunkCapacity / 2
        moveTail(of: chunk, from: half, to: chunk + 1)
        firsts[chunk + 1] = entries[Int(slabs[chunk + 1]) * Self.chunkCapacity]
    }

    /// Joins a chunk that is less than half full with a neighbour where both fill no more than three quarters of one. A chunk
    /// without neighbours gives back memory instead.
    private mutating func mergeIfSparse(_ chunk: Int) {
        guard Int(counts[chunk]) < Self.chunkCapacity / 2 else { return }
        guard firsts.count > 1 else { return shrinkFirstSlab() }
        for left in [chunk - 1, chunk] where left >= 0 && left + 1 < firsts.count {
            guard Int(counts[left]) + Int(counts[left + 1]) <= Self.chunkCapacity * 3 / 4 else { continue }
            moveTail(of: left + 1, from: 0, to: left)
            return removeChunk(left + 1)
        }
    }

    /// Appends a chunk's entries from `offset` on to another chunk.
    private mutating func moveTail(of source: Int, from offset: Int, to target: Int) {
        let count = Int(counts[source]) - offset
        entries.moveElements(
            from: Int(slabs[source]) * Self.chunkCapacity + offset,
            to: Int(slabs[target]) * Self.chunkCapacity + Int(counts[target]), count: count)
        counts[source] -= UInt8(count)
        counts[target] += UInt8(count)
    }

    /// Takes an empty chunk out of the directory; the last slab moves into its place.
    private mutating func removeChunk(_ chunk: Int) {
        let slab = slabs[chunk]
        firsts.remove(at: chunk)
        slabs.remove(at: chunk)
        counts.remove(at: chunk)
        shrinkDirectory()
        let lastSlab = UInt32(firsts.count)
        if slab != lastSlab, let moved = slabs.firstIndex(of: lastSlab) {
            entries.moveElements(
                from: Int(lastSlab) * Self.chunkCapacity, to: Int(slab) * Self.chunkCapacity,
                count: Int(counts[moved]))
            slabs[moved] = slab
        }
        resizeEntries(to: firsts.count * Self.chunkCapacity)
    }

    /// Gives back room in the directory once three quarters of it are spare.
    private mutating func shrinkDirectory() {
        guard firsts.capacity > 4 * max(firsts.count, 2) else { return }
        // Copies, which have no more room than they need.
        firsts = firsts.map(\.self)
        slabs = slabs.map(\.self)
        counts = counts.map(\.self)
    }

    /// While there is one chunk: halves its slab once that is three eighths full or less.
    private mutating func shrinkFirstSlab() {
        guard entries.count > Self.smallestSlab, Int(counts[0]) <= entries.count * 3 / 8 else {
            return
        }
        resizeEntries(to: entries.count / 2)
    }

    /// Makes room for so many entries, with an eighth to spare, or gives room back.
    private mutating func resizeEntries(to newCount: Int) {
        if newCount > entries.capacity || newCount < entries.capacity - entries.capacity / 4 {
            var resized: [UInt64] = []
            resized.reserveCapacity(newCount <= Self.chunkCapacity ? newCount : newCount + newCount / 8)
            resized.append(contentsOf: entries.prefix(newCount))
            entries = resized
        }
        if newCount < entries.count {
            entries.removeLast(entries.count - newCount)
        } else {
            entries.append(contentsOf: repeatElement(0, count: newCount - entries.count))
        }
    }
}
