internal import CHost
internal import SystemPackage

/// A part of a file that somebody else holds too, such as the region of a device or the memory of another process.
///
/// The other holder can take the pages away at any time. A load from a mapping of such a page would end this process (SIGBUS). So
/// this process maps the part for guests only. It reads and writes the part through the descriptor.
///
/// A file can have several parts, and a part can be opened more than once. A program that gives memory to a guest keeps a second
/// part for itself, in order to read what the guest writes:
///
///     var file = try MemoryFile(name: "shared")
///     try file.resize(to: 0x4000)
///     let backing = try ForeignBacking(ForeignMemory(file, offset: 0, size: 0x4000))
///     let mine = try ForeignMemory(file, offset: 0, size: 0x4000)
@safe
public struct ForeignMemory: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// The name of the file in error messages.
    public let name: String
    /// The offset of the part in the file, in bytes. It is a multiple of the page size.
    public let offset: UInt64
    /// The size of the part in bytes. It is a multiple of the page size.
    public let size: UInt64

    /// Opens a part of a file whose descriptor is `number`. The part gets a descriptor of its own, so the caller may close
    /// `number`.
    ///
    /// - Throws: EINVAL if the offset or the size is not a multiple of the page size, if the size is 0, or if the part reaches
    ///   beyond the end of the file.
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

    /// Opens a part of a file that is open in this process.
    package init(_ file: borrowing Descriptor, name: String, offset: UInt64, size: UInt64) throws(HostError) {
        // SAFETY: the descriptor is open while it is borrowed.
        try unsafe self.init(descriptor: file.number, name: name, offset: offset, size: size)
    }

    /// Opens a part of a memory file that this process owns.
    public init(_ file: borrowing MemoryFile, offset: UInt64, size: UInt64) throws(HostError) {
        try self.init(file.descriptor, name: file.name, offset: offset, size: size)
    }

    /// Maps `size` bytes, from `position` in the part on, at `offset` in reserved address space. All three numbers are multiples of
    /// the page size.
    public func map(
        from position: UInt64, size: UInt64, into reservation: AddressReservation, at offset: UInt64
    ) throws(HostError) {
        try reservation.map(descriptor, name, from: self.offset + position, size: size, at: offset)
    }

    /// Returns `count` bytes at `position` in the part, or nil if not all of them can be read.
    public func read(count: Int, at position: UInt64) -> [UInt8]? {
        guard contains(count, at: position) else { return nil }
        let bytes = try? unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // SAFETY: the call fills the buffer from its start on.
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
