import Devices

/// The MSI-X table and the pending bits of a function (PCI 3.0, 6.8.2).
///
/// `isOpen` says whether the function may send messages at all: MSI-X enabled, the function not masked, bus master on.
struct MSIXTable: Sendable {
    /// The table by doublewords, four of them a vector: the message's address and its upper half, its data, and vector control.
    private var table: [UInt32]
    private var pending: [UInt64]

    /// The bits of an entry that software may write. The low two address bits are zero (6.8.2.7).
    private static let writable: [UInt32] = [~3, .max, .max, 1]

    /// Vectors are masked after reset (6.8.2.9).
    init(vectors: Int) {
        table = Array(repeatElement([0, 0, 0, 1], count: vectors).joined())
        pending = Array(repeating: 0, count: (vectors + 63) / 64)
    }

    /// Raises `vector`: the message to send now, or nil where it pends or does not exist.
    mutating func raise(_ vector: UInt64, isOpen: Bool) -> MSIMessage? {
        guard vector < UInt64(table.count / 4) else { return nil }
        let index = Int(vector)
        guard isOpen, !isMasked(index) else {
            pending[index / 64] |= 1 << UInt64(index % 64)
            return nil
        }
        return message(index)
    }

    /// The messages of the pending vectors that may go now, lowest vector first; they pend no longer.
    mutating func takePending(isOpen: Bool) -> [MSIMessage] {
        guard isOpen else { return [] }
        var messages: [MSIMessage] = []
        for word in pending.indices where pending[word] != 0 {
            for bit in 0..<64 where pending[word] >> UInt64(bit) & 1 != 0 && !isMasked(word * 64 + bit) {
                pending[word] &= ~(1 << UInt64(bit))
                messages.append(message(word * 64 + bit))
            }
        }
        return messages
    }

    mutating func clearPending() {
        pending = Array(repeating: 0, count: pending.count)
    }

    /// The messages of the vectors that are not masked.
    var openMessages: [Int: MSIMessage] {
        let open = (0..<table.count / 4).filter { !isMasked($0) }
        return Dictionary(uniqueKeysWithValues: open.map { ($0, message($0)) })
    }

    private func isMasked(_ vector: Int) -> Bool { table[vector * 4 + 3] != 0 }

    private func message(_ vector: Int) -> MSIMessage {
        let address = UInt64(table[vector * 4 + 1]) << 32 | UInt64(table[vector * 4])
        return MSIMessage(address: address, data: table[vector * 4 + 2])
    }

    /// Reads the table; all ones unless it is an aligned doubleword or quadword (6.8.2: others are undefined).
    func readTable(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let places = places(offset, width) else { return width.allOnes }
        return places.reversed().reduce(0) { $0 << 32 | UInt64(table[$1]) }
    }

    /// Writes the table; gives the messages of vectors that this unmasked.
    mutating func writeTable(_ value: UInt64, at offset: UInt64, width: AccessWidth, isOpen: Bool) -> [MSIMessage] {
        guard let places = places(offset, width) else { return [] }
        for (place, part) in zip(places, [value, value >> 32]) {
            table[place] = UInt32(truncatingIfNeeded: part) & Self.writable[place % 4]
        }
        return takePending(isOpen: isOpen)
    }

    /// The message address of the entry that holds the byte at `offset`, or nil behind the table.
    func address(ofEntryAt offset: UInt64) -> UInt64? {
        guard offset / 16 < UInt64(table.count / 4) else { return nil }
        return message(Int(offset / 16)).address
    }

    /// Reads the pending bits, as the table is read.
    func readPendingBits(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width), offset / 8 < UInt64(pending.count) else { return width.allOnes }
        return width.mask(pending[Int(offset / 8)] >> (offset % 8 * 8))
    }

    private static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        (width == .doubleword || width == .quadword) && offset.isMultiple(of: UInt64(width.rawValue))
    }

    /// The doublewords of the table that an access reaches; nil where it is not accepted or passes the end.
    private func places(_ offset: UInt64, _ width: AccessWidth) -> Range<Int>? {
        guard Self.accepts(offset, width), offset / 4 < UInt64(table.count) else { return nil }
        let first = Int(offset / 4)
        return first..<first + Int(width.rawValue) / 4
    }
}
