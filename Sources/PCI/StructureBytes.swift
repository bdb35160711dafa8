/// The bytes of a C structure that the kernel or another process has filled in. Its integers are little-endian.
///
/// Whoever filled it in may have left out any part of it, so reading an integer that is not there gives nil.
package struct StructureBytes: Hashable, Sendable {
    package private(set) var bytes: [UInt8]

    /// Takes over bytes that were received, or begins an empty structure.
    package init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    /// Returns the integer at `offset`, or nil if a part of it lies behind the end.
    package func integer<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, size <= bytes.count, offset <= bytes.count - size else { return nil }
        return bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Value($1) }
    }

    /// Appends integers of 32 bits.
    package func with(_ values: UInt32...) -> StructureBytes { appending(values) }

    /// Appends integers of 64 bits.
    package func with(wide values: UInt64...) -> StructureBytes { appending(values) }

    /// Appends bytes as they are.
    package func with(bytes added: [UInt8]) -> StructureBytes { StructureBytes(bytes + added) }

    private func appending<Value: FixedWidthInteger>(_ values: [Value]) -> StructureBytes {
        with(
            bytes: values.flatMap { value in
                (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value($0 * 8)) }
            })
    }
}
