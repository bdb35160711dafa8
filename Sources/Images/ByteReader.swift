/// Reads little-endian integers one after another from a part of a file, and never beyond that part.
struct ByteReader {
    private let bytes: [UInt8]
    private let part: ImageError.Part
    private var offset: Int
    private let end: Int

    /// A reader over the `count` bytes of the file at `start`, which the file must have: they are its `part`.
    init(_ bytes: [UInt8], _ part: ImageError.Part, at start: UInt64, count: Int) throws(ImageError) {
        let (end, overflow) = start.addingReportingOverflow(UInt64(count))
        guard !overflow, end <= UInt64(bytes.count) else {
            throw .truncated(part, offset: start, needed: count, fileSize: bytes.count)
        }
        self.bytes = bytes
        self.part = part
        self.offset = Int(start)
        self.end = Int(end)
    }

    /// The next integer.
    mutating func read<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type) throws(ImageError) -> Value {
        let start = offset
        try skip(MemoryLayout<Value>.size)
        return bytes[start..<offset].reversed().reduce(0) { $0 << 8 | Value($1) }
    }

    /// The next `Elf32_Addr` or `Elf64_Addr`; offsets and sizes are as wide.
    mutating func readWord(_ elfClass: ELFHeader.Class) throws(ImageError) -> UInt64 {
        switch elfClass {
        case .elf32: UInt64(try read(UInt32.self))
        case .elf64: try read(UInt64.self)
        }
    }

    /// Passes over `count` bytes.
    mutating func skip(_ count: Int) throws(ImageError) {
        guard count <= end - offset else {
            throw .truncated(part, offset: UInt64(offset), needed: count, fileSize: end)
        }
        offset += count
    }
}
