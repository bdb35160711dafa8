/// A part of a file, such as a header, that lies completely in the file. Its integers are little-endian.
struct FilePart {
    private let bytes: ArraySlice<UInt8>

    /// Takes `count` bytes of the file from `start` on.
    ///
    /// - Parameter part: The name of the part for the error, such as `the ELF header`.
    /// - Throws: `ImageError.truncated` if the file ends before the part does.
    init(_ file: [UInt8], _ part: @autoclosure () -> String, at start: UInt64, count: Int) throws(ImageError) {
        guard start <= UInt64(file.count), count <= file.count - Int(start) else {
            throw .truncated(part(), offset: start, needed: count, fileSize: file.count)
        }
        bytes = file[Int(start)..<Int(start) + count]
    }

    /// The integer at `offset`. The caller has made sure that it lies in the part.
    subscript<Value: FixedWidthInteger & UnsignedInteger>(offset: Int) -> Value {
        bytes.dropFirst(offset).prefix(MemoryLayout<Value>.size).reversed().reduce(0) { $0 << 8 | Value($1) }
    }

    /// Returns the bytes from `offset` on, or no bytes if `offset` lies behind the part.
    func tail(from offset: Int) -> ArraySlice<UInt8> { bytes.dropFirst(offset) }

    /// Returns the `Elf32_Addr` or `Elf64_Addr` at `offset`. The file offsets and sizes of a class have the same width.
    func address(at offset: Int, is64: Bool) -> UInt64 {
        is64 ? self[offset] : UInt64(self[offset] as UInt32)
    }
}
