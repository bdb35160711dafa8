internal import CHost

/// An anonymous file in memory (`memfd_create`). A page of the file takes memory once it is touched.
@safe
public struct MemoryFile: ~Copyable, Sendable {
    let descriptor: Descriptor
    /// The name of the file, as /proc shows it.
    public let name: String
    /// The size of the file in bytes, whether its pages were touched or not.
    public private(set) var size: UInt64 = 0

    /// Creates an empty file. Its name is for people who look into `/proc`.
    public init(name: String) throws(HostError) {
        // SAFETY: the string lives until the call returns.
        descriptor = try Descriptor(owning: unsafe chost_memory_file(name), "memfd_create", name)
        self.name = name
    }

    /// Creates a file whose size is sealed, so that no process that gets the file can cut it.
    public static func sealed(name: String, size: UInt64) throws(HostError) -> MemoryFile {
        var file = try MemoryFile(name: name)
        try file.resize(to: size)
        try file.sealSize()
        return file
    }

    /// Grows or shrinks the file.
    ///
    /// - Throws: EINVAL or EFBIG if a file cannot have that size.
    public mutating func resize(to size: UInt64) throws(HostError) {
        let limited = min(size, UInt64(Int64.max))
        try check(chost_set_file_size(descriptor.number, limited), "ftruncate", "\(name) to \(size) bytes")
        self.size = size
    }

    /// Seals the file (`F_ADD_SEALS`). From then on no holder of a descriptor can make it larger or smaller.
    public borrowing func sealSize() throws(HostError) {
        try check(chost_seal_size(descriptor.number), "fcntl F_ADD_SEALS", name)
    }
}
