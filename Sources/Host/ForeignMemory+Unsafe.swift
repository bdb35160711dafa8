internal import CHost
internal import SystemPackage

/// A part of a file that somebody else holds too, such as a device's region or the memory of another process.
///
/// Its pages can go away at any time, and a load from a mapping of them would then end this process (SIGBUS). So this process maps
/// the part for guests only, and reads and writes it by the descriptor.
///
/// A file may have several parts, and a part may be opened more than once. A program that gives a guest memory of its own keeps
/// a second part in order to read what the guest writes:
///
///     var file = try MemoryFile(name: "shared")
///     try file.resize(to: 0x4000)
///     let backing = try ForeignBacking(ForeignMemory(file, offset: 0, size: 0x4000))
///     let mine = try ForeignMemory(file, offset: 0, size: 0x4000)
@safe
public struct ForeignMemory: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// The name of the file for people.
    public let name: String
    /// The beginning of the part in the file, in bytes: a multiple of the page size.
    public let offset: UInt64
    /// The size of the part in bytes: a multiple of the page size.
    public let size: UInt64

    /// Opens a part of the file that is open as `number`. The part has a descriptor of its own, so `number` can be closed.
    ///
    /// - Throws: EINVAL if the offset or the size is no multiple of the page size, if the size is 0, or if the file ends before
    ///   the part does.
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

    /// Opens a part of a file that this process has open.
    package init(_ file: borrowing Descriptor, name: String, offset: UInt64, size: UInt64) throws(HostError) {
        // SAFETY: the descriptor is open while it is borrowed.
        try unsafe self.init(descriptor: file.number, name: name, offset: offset, size: size)
    }

    /// Opens a part of a memory file of this process.
    public init(_ file: borrowing MemoryFile, offset: UInt64, size: UInt64) throws(HostError) {
        try self.init(file.descriptor, name: file.name, offset: offset, size: size)
    }

    /// Returns the `count` bytes at `position` in the part, or nil if not all of them can be read.
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

    /// Writes bytes at `position` in the part. Returns whether all of them were written.
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
