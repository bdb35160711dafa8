/// The bytes of a C structure that the kernel or another process has filled in. Its integers are little-endian.
///
/// Any part of the structure may be missing, so reading an integer that is not there gives nil.
package struct StructureBytes: Hashable, Sendable {
    /// The bytes of the structure.
    package private(set) var bytes: [UInt8]

    /// Takes over bytes that were received, or begins an empty structure.
    package init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    /// Returns the integer at `offset`, or nil if a part of it lies past the end.
    package func integer<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: Value.Type) -> Value? {
        number(at: offset, size: MemoryLayout<Value>.size).map { Value(truncatingIfNeeded: $0) }
    }

    /// Returns the integer of `size` bytes at `offset`. This function is not generic, because other modules call it for each field
    /// of each message.
    private func number(at offset: Int, size: Int) -> UInt64? {
        guard offset >= 0, size <= bytes.count, offset <= bytes.count - size else { return nil }
        var number: UInt64 = 0
        for index in 0..<size { number |= UInt64(bytes[offset + index]) << UInt64(index * 8) }
        return number
    }

    /// Returns the structure with integers of 32 bits appended.
    package func with(_ values: UInt32...) -> StructureBytes {
        appending(values.count, size: 4) { UInt64(values[$0]) }
    }

    /// Returns the structure with integers of 64 bits appended.
    package func with(wide values: UInt64...) -> StructureBytes {
        appending(values.count, size: 8) { values[$0] }
    }

    /// Returns the structure with bytes appended.
    package func with(bytes added: [UInt8]) -> StructureBytes { StructureBytes(bytes + added) }

    private func appending(_ count: Int, size: Int, _ value: (Int) -> UInt64) -> StructureBytes {
        var all: [UInt8] = []
        all.reserveCapacity(bytes.count + count * size)
        all += bytes
        for index in 0..<count {
            let value = value(index)
            for lane in 0..<size { all.append(UInt8(truncatingIfNeeded: value >> UInt64(lane * 8))) }
        }
        return StructureBytes(all)
    }
}
