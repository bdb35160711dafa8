import Devices

/// The MSI-X table and the pending bits of a function (PCI 3.0, 6.8.2).
///
/// The parameter `isOpen` of a method says whether the function may send messages at all: MSI-X is enabled, the function is not
/// masked, and bus master is on.
struct MSIXTable: Sendable {
    /// The table by doublewords. Each vector has four: the address of the message and its upper half, the data, and vector control.
    private var table: [UInt32]
    /// The pending bits, in words of 64.
    private var pending: [UInt64]

    /// The bits that software may write in the four doublewords of an entry. The low two address bits are zero (6.8.2.7).
    private static let writable: [UInt32] = [~3, .max, .max, 1]

    /// Creates the table after reset, when all vectors are masked (6.8.2.9).
    init(vectors: Int) {
        table = Array(repeatElement([0, 0, 0, 1], count: vectors).joined())
        pending = Array(repeating: 0, count: (vectors + 63) / 64)
    }

    /// Raises `vector`. Returns the message to send now, or nil if the vector becomes pending or does not exist.
    mutating func raise(_ vector: UInt64, isOpen: Bool) -> MSIMessage? {
        guard vector < UInt64(table.count / 4) else { return nil }
        let index = Int(vector)
        guard isOpen, !isMasked(index) else {
            pending[index / 64] |= 1 << UInt64(index % 64)
            return nil
        }
        return message(index)
    }

    /// Returns the messages of the pending vectors that can be sent now, the lowest vector first. These vectors are no longer
    /// pending.
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

    /// Reads the table. Returns all ones unless the access is an aligned doubleword or quadword in the table (6.8.2: others are
    /// undefined).
    func readTable(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let places = places(offset, width) else { return width.allOnes }
        return places.reversed().reduce(0) { $0 << 32 | UInt64(table[$1]) }
    }

    /// Writes the table. Returns the messages of the pending vectors that can be sent now.
    mutating func writeTable(_ value: UInt64, at offset: UInt64, width: AccessWidth, isOpen: Bool) -> [MSIMessage] {
        guard let places = places(offset, width) else { return [] }
        for (place, part) in zip(places, [value, value >> 32]) {
            table[place] = UInt32(truncatingIfNeeded: part) & Self.writable[place % 4]
        }
        return takePending(isOpen: isOpen)
    }

    /// Returns the message address of the entry that holds the byte at `offset`, or nil if `offset` is past the end of the table.
    func address(ofEntryAt offset: UInt64) -> UInt64? {
        guard offset / 16 < UInt64(table.count / 4) else { return nil }
        return message(Int(offset / 16)).address
    }

    /// Reads the pending bits. Returns all ones unless the access is an aligned doubleword or quadword in their words.
    func readPendingBits(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard Self.accepts(offset, width), offset / 8 < UInt64(pending.count) else { return width.allOnes }
        return width.mask(pending[Int(offset / 8)] >> (offset % 8 * 8))
    }

    private static func accepts(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        (width == .doubleword || width == .quadword) && offset.isMultiple(of: UInt64(width.rawValue))
    }

    /// Returns the doublewords of the table that an access reaches, or nil if the access is not accepted or passes the end.
    private func places(_ offset: UInt64, _ width: AccessWidth) -> Range<Int>? {
        guard Self.accepts(offset, width), offset / 4 < UInt64(table.count) else { return nil }
        let first = Int(offset / 4)
        return first..<first + Int(width.rawValue) / 4
    }
}
