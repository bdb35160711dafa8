import Devices

/// The MSI-X table and the pending bits of a function (PCI 3.0, 6.8.2).
///
/// `isOpen` says whether the function may send messages at all: MSI-X enabled, the function not masked, bus master on.
struct MSIXTable: Sendable {
    private struct Entry {
        var address: UInt64 = 0
        var data: UInt32 = 0
        /// Vectors are masked after reset (6.8.2.9).
        var isMasked = true
    }

    private var entries: [Entry]
    private var pending: [UInt64]

    init(vectors: Int) {
        entries = Array(repeating: Entry(), count: vectors)
        pending = Array(repeating: 0, count: (vectors + 63) / 64)
    }

    /// Raises `vector`: the message to send now, or nil where it pends or does not exist.
    mutating func raise(_ vector: UInt64, isOpen: Bool) -> MSIMessage? {
        guard vector < UInt64(entries.count) else { return nil }
        let index = Int(vector)
        guard isOpen, !entries[index].isMasked else {
            pending[index / 64] |= 1 << UInt64(index % 64)
            return nil
        }
        return MSIMessage(address: entries[index].address, data: entries[index].data)
    }

    /// The messages of the pending vectors that may go now, lowest vector first; they pend no longer.
    mutating func takePending(isOpen: Bool) -> [MSIMessage] {
        guard isOpen else { return [] }
        var messages: [MSIMessage] = []
        for word in pending.indices where pending[word] != 0 {
            for bit in 0..<64 where pending[word] >> UInt64(bit) & 1 != 0 {
                let entry = entries[word * 64 + bit]
                guard !entry.isMasked else { continue }
                pending[word] &= ~(1 << UInt64(bit))
                messages.append(MSIMessage(address: entry.address, data: entry.data))
            }
        }
        return messages
    }

    mutating func clearPending() {
        for word in pending.indices {
            pending[word] = 0
        }
    }

    /// Reads the table; all ones unless it is an aligned doubleword or quadword (6.8.2: others are undefined).
    func readTable(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width) else { return width.allOnes }
        let low = UInt64(self[offset])
        return width == .doubleword ? low : UInt64(self[offset &+ 4]) << 32 | low
    }

    /// Writes the table; gives the messages of vectors that this unmasked.
    mutating func writeTable(_ value: UInt64, at offset: UInt64, width: AccessWidth, isOpen: Bool) -> [MSIMessage] {
        guard Self.accepts(offset, width) else { return [] }
        self[offset] = UInt32(truncatingIfNeeded: value)
        if width == .quadword {
            self[offset &+ 4] = UInt32(truncatingIfNeeded: value >> 32)
        }
        return takePending(isOpen: isOpen)
    }

    /// Reads the pending bits, as the table is read.
    func readPendingBits(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width), offset / 8 < UInt64(pending.count) else { return width.allOnes }
        return width.mask(pending[Int(offset / 8)] >> (offset % 8 * 8))
    }

    private static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        (width == .doubleword || width == .quadword) && offset.isMultiple(of: UInt64(width.rawValue))
    }

    /// The doubleword at `offset` in the table.
    private subscript(_ offset: UInt64) -> UInt32 {
        get {
            guard offset / 16 < UInt64(entries.count) else { return .max }
            let entry = entries[Int(offset / 16)]
            return switch offset / 4 % 4 {
            case 0: UInt32(truncatingIfNeeded: entry.address)
            case 1: UInt32(truncatingIfNeeded: entry.address >> 32)
            case 2: entry.data
            default: entry.isMasked ? 1 : 0
            }
        }
        set {
            guard offset / 16 < UInt64(entries.count) else { return }
            let index = Int(offset / 16)
            let address = entries[index].address
            switch offset / 4 % 4 {
            // The low two address bits are zero (6.8.2.7).
            case 0: entries[index].address = address & ~0xffff_ffff | UInt64(newValue & ~3)
            case 1: entries[index].address = UInt64(newValue) << 32 | address & 0xffff_ffff
            case 2: entries[index].data = newValue
            default: entries[index].isMasked = newValue & 1 != 0
            }
        }
    }
}
