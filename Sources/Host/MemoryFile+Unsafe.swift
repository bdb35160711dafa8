internal import CHost

/// An anonymous file in memory; a page of it takes memory once it is touched (`memfd_create`).
@safe
public struct MemoryFile: ~Copyable, Sendable {
    let descriptor: Descriptor
    public let name: String
    /// Bytes in the file, touched or not.
    public private(set) var size: UInt64 = 0

    /// A new, empty file; the name is for people who look into `/proc`.
    public init(name: String) throws(HostError) {
        // SAFETY: the string lives through the call.
        descriptor = try Descriptor(owning: unsafe chost_memory_file(name), "memfd_create", name)
        self.name = name
    }

    /// Grows or shrinks the file.
    ///
    /// Sizes that a file cannot have throw EINVAL or EFBIG.
    public mutating func resize(to size: UInt64) throws(HostError) {
        let limited = min(size, UInt64(Int64.max))
        try check(chost_set_file_size(descriptor.number, limited), "ftruncate", "\(name) to \(size) bytes")
        self.size = size
    }

    /// Seals the file: nobody can make it larger or smaller any more, whoever holds its descriptor (`F_ADD_SEALS`).
    public borrowing func sealSize() throws(HostError) {
        try check(chost_seal_size(descriptor.number), "fcntl F_ADD_SEALS", name)
    }
}
