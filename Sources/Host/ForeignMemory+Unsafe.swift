internal import CHost
internal import SystemPackage

/// A part of a file that somebody else holds too: a device's region, the memory of another process.
///
/// Its pages can go away at any time, which would end a process that loads from a mapping of them (SIGBUS). So this process
/// maps it for guests only, and reads and writes it by the descriptor.
@safe
public struct ForeignMemory: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// For people.
    public let name: String
    /// Where the part begins in the file, in bytes: a multiple of the page size.
    public let offset: UInt64
    /// In bytes: a multiple of the page size.
    public let size: UInt64

    /// The part of a file that is open as `number`; the file is held by a descriptor of its own from here on.
    ///
    /// - Throws: EINVAL where the offset or the size is no multiple of the page size, or where the file ends before the part
    ///   does.
    @unsafe
    public init(descriptor number: Int32, name: String, offset: UInt64, size: UInt64) throws(HostError) {
        let end = offset.addingReportingOverflow(size)
        guard offset % 4096 == 0, size % 4096 == 0, size > 0, !end.overflow, end.partialValue <= Int64.max else {
            throw HostError(
                call: "mmap", subject: "\(size) bytes of \(name) at offset \(offset)", errno: .invalidArgument)
        }
        let descriptor = try Descriptor(owning: chost_duplicate(number), "fcntl F_DUPFD_CLOEXEC", name)
        let fileSize = try check(chost_file_size(descriptor.number), "fstat", name)
        guard end.partialValue <= UInt64(fileSize) else {
            throw HostError(
                call: "mmap", subject: "\(size) bytes at offset \(offset) of \(name), which has \(fileSize)",
                errno: .invalidArgument)
        }
        self.descriptor = descriptor
        self.name = name
        self.offset = offset
        self.size = size
    }

    /// A part of a memory file of this process.
    public init(_ file: borrowing MemoryFile, offset: UInt64, size: UInt64) throws(HostError) {
        // SAFETY: the file's descriptor is open while it is borrowed.
        try unsafe self.init(descriptor: file.descriptor.number, name: file.name, offset: offset, size: size)
    }

    /// The `count` bytes at `position` in the part; nil where they cannot all be read.
    public func read(count: Int, at position: UInt64) -> [UInt8]? {
        guard contains(count, at: position) else { return nil }
        let bytes = try? unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // SAFETY: the call fills the buffer from its start.
            initialized = try unsafe descriptor.file.read(
                fromAbsoluteOffset: Int64(offset + position), into: UnsafeMutableRawBufferPointer(buffer),
                retryOnInterrupt: false)
        }
        return bytes?.count == count ? bytes : nil
    }

    /// Writes bytes at `position` in the part; whether all were written.
    public func write(_ bytes: Span<UInt8>, at position: UInt64) -> Bool {
        guard contains(bytes.count, at: position) else { return false }
        let written = try? unsafe bytes.withUnsafeBytes { buffer in
            // SAFETY: the buffer outlives the call.
            try unsafe descriptor.file.write(
                toAbsoluteOffset: Int64(offset + position), buffer, retryOnInterrupt: false)
        }
        return written == bytes.count
    }

    private func contains(_ count: Int, at position: UInt64) -> Bool {
        count >= 0 && position <= size && UInt64(count) <= size - position
    }
}
