/// A sorted index that finds a payload, such as a slot id, by guest frame number.
///
/// One flat sorted array would move half of its entries at each insertion, which takes 17 us at 32,000 entries. So the entries lie
/// in chunks of at most 128. A chunk is small enough to insert into at once, and large enough that the directory of chunks stays in
/// the cache. All chunks share one array, so that a look-up touches no reference counts. The part of the array that belongs to a
/// chunk is its slab.
struct AddressIndex: Sendable {
    /// An entry: the frame in bits 23 to 62, so that entries sort by frame, and the payload in bits 0 to 22. Bit 63 stays clear,
    /// because the search uses the sign of differences.
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

    /// The place of an entry in the index. It is valid until the index changes.
    struct Position: Equatable, Sendable {
        var chunk: Int
        var offset: Int
    }

    private static let chunkCapacity = 128
    private static let smallestSlab = 8

    /// The slabs of all chunks, one after the other. While there is only one slab, it may have room for fewer entries than a full
    /// chunk.
    private var entries: [UInt64] = []
    /// The directory of chunks, by address. For each chunk: its first entry, the number of its slab, and the number of its entries.
    private var firsts: [UInt64] = []
    private var slabs: [UInt32] = []
    private var counts: [UInt8] = []

    private(set) var count = 0

    /// Returns the position of the last entry whose frame is `frame` or lower, or nil if there is none.
    @inline(__always)
    func position(atOrBelow frame: UInt64) -> Position? {
        // The largest entry that this frame could have. A frame above the maximum lies above all entries.
        let key = min(frame, Entry.maximumFrame) << Entry.payloadBits | UInt64(Entry.maximumPayload)
        // If there is only one chunk, it holds all entries, and the search need not read the directory first.
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

    var first: Position? {
        count == 0 ? nil : Position(chunk: 0, offset: 0)
    }

    /// Returns the position of the next entry, or nil after the last one.
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
        // The count grows last: while there is only one chunk, searches use the count as the number of its entries.
        defer { count += 1 }
        guard !firsts.isEmpty else { return appendChunk(at: 0, holding: entry) }
        // An entry below all others goes into the first chunk.
        let below = position(atOrBelow: entry.frame) ?? Position(chunk: 0, offset: -1)
        var chunk = below.chunk
        var offset = below.offset + 1
        if Int(counts[chunk]) == Self.chunkCapacity {
            // Callers often insert entries by ascending address. A new chunk at the end then leaves full chunks behind, where a
            // split would leave half-full ones.
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

    /// Removes an entry, which must be in the index.
    mutating func remove(_ entry: Entry) {
        guard let position = position(atOrBelow: entry.frame), self[position] == entry else {
            preconditionFailure("frame \(entry.frame) is not in the index")
        }
        remove(at: position)
    }

    /// Removes the entry at a position. The position is not valid afterwards.
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

    /// The bytes of heap memory that the index takes, spare capacity included.
    var byteSize: Int {
        heapBytes(entries) + heapBytes(firsts) + heapBytes(slabs) + heapBytes(counts)
    }
}

// MARK: - Chunks

extension AddressIndex {
    private mutating func insert(_ bits: UInt64, into chunk: Int, at offset: Int) {
        if Int(counts[chunk]) == entries.count {
            // The slab of a single chunk doubles from 8 entries up to a full chunk.
            resizeEntries(to: min(Self.chunkCapacity, max(Self.smallestSlab, entries.count * 2)))
        }
        let start = Int(slabs[chunk]) * Self.chunkCapacity
        entries.moveElements(from: start + offset, to: start + offset + 1, count: Int(counts[chunk]) - offset)
        entries[start + offset] = bits
        counts[chunk] += 1
        if offset == 0 {
            firsts[chunk] = bits
        }
    }

    private mutating func appendChunk(at chunk: Int, holding entry: Entry) {
        makeChunk(at: chunk)
        insert(entry.bits, into: chunk, at: 0)
    }

    /// Inserts an empty chunk with a new slab into the directory.
    private mutating func makeChunk(at chunk: Int) {
        let slab = firsts.count
        if slab > 0 {
            resizeEntries(to: (slab + 1) * Self.chunkCapacity)
        }
        firsts.insert(0, at: chunk)
        slabs.insert(UInt32(slab), at: chunk)
        counts.insert(0, at: chunk)
    }

    /// Moves the upper half of a full chunk into a new chunk after it.
    private mutating func split(_ chunk: Int) {
        makeChunk(at: chunk + 1)
        let half = Self.chunkCapacity / 2
        moveTail(of: chunk, from: half, to: chunk + 1)
        firsts[chunk + 1] = entries[Int(slabs[chunk + 1]) * Self.chunkCapacity]
    }

    /// Joins a chunk that is less than half full with a neighbour, if both together fill at most three quarters of a chunk. If the
    /// chunk has no neighbour, shrinks its slab instead.
    private mutating func mergeIfSparse(_ chunk: Int) {
        guard Int(counts[chunk]) < Self.chunkCapacity / 2 else { return }
        guard firsts.count > 1 else { return shrinkFirstSlab() }
        for left in [chunk - 1, chunk] where left >= 0 && left + 1 < firsts.count {
            guard Int(counts[left]) + Int(counts[left + 1]) <= Self.chunkCapacity * 3 / 4 else { continue }
            moveTail(of: left + 1, from: 0, to: left)
            return removeChunk(left + 1)
        }
    }

    /// Moves the entries of the chunk `source`, from `offset` on, to the end of the chunk `target`.
    private mutating func moveTail(of source: Int, from offset: Int, to target: Int) {
        let count = Int(counts[source]) - offset
        entries.moveElements(
            from: Int(slabs[source]) * Self.chunkCapacity + offset,
            to: Int(slabs[target]) * Self.chunkCapacity + Int(counts[target]), count: count)
        counts[source] -= UInt8(count)
        counts[target] += UInt8(count)
    }

    /// Removes an empty chunk from the directory, and moves the last slab into the place of the chunk's slab.
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

    /// Shrinks the directory if three quarters of its capacity are spare.
    private mutating func shrinkDirectory() {
        guard firsts.capacity > 4 * max(firsts.count, 2) else { return }
        // A copy has no more capacity than it needs.
        firsts = firsts.map(\.self)
        slabs = slabs.map(\.self)
        counts = counts.map(\.self)
    }

    /// Halves the slab of a single chunk if it is at most three eighths full.
    private mutating func shrinkFirstSlab() {
        guard entries.count > Self.smallestSlab, Int(counts[0]) <= entries.count * 3 / 8 else { return }
        resizeEntries(to: entries.count / 2)
    }

    /// Changes the number of entries for which there is room. New memory for several chunks has an eighth to spare. If more
    /// than a quarter of the memory would be spare, it is given back.
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
