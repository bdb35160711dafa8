/// A part of a file, such as a header, whose bytes are all there. Its integers are little-endian.
struct FilePart {
    private let bytes: ArraySlice<UInt8>

    /// The `count` bytes of the file at `start`, which are its `part`, such as `the ELF header`.
    init(_ file: [UInt8], _ part: @autoclosure () -> String, at start: UInt64, count: Int) throws(ImageError) {
        guard start <= UInt64(file.count), count <= file.count - Int(start) else {
            throw .truncated(part(), offset: start, needed: count, fileSize: file.count)
        }
        bytes = file[Int(start)..<Int(start) + count]
    }

    /// The integer at `offset`, which lies in the part.
    subscript<Value: FixedWidthInteger & UnsignedInteger>(offset: Int) -> Value {
        bytes.dropFirst(offset).prefix(MemoryLayout<Value>.size).reversed().reduce(0) { $0 << 8 | Value($1) }
    }

    /// The bytes from `offset` on, none if that lies behind the part.
    func tail(from offset: Int) -> ArraySlice<UInt8> { bytes.dropFirst(offset) }

    /// The `Elf32_Addr` or `Elf64_Addr` at `offset`; file offsets and sizes are as wide.
    func address(at offset: Int, is64: Bool) -> UInt64 {
        is64 ? self[offset] : UInt64(self[offset] as UInt32)
    }
}
