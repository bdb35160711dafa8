internal import CHost
internal import Glibc
internal import SystemPackage

/// Reserved host address space, into which parts of memory files are mapped; it costs no memory by itself.
@safe
public struct AddressReservation: ~Copyable, Sendable {
    // SAFETY: reserved from init to deinit, `size` bytes long.
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    /// Bytes reserved.
    public let size: UInt64

    /// Reserves `size` bytes, at least a page.
    public init(size: UInt64) throws(HostError) {
        guard let length = Int(exactly: size), length > 0 else {
            throw HostError(call: "mmap", subject: "\(size) bytes of address space", errno: .invalidArgument)
        }
        var address: UnsafeMutableRawPointer?
        // SAFETY: a new reservation.
        try check(unsafe chost_reserve(length, &address), "mmap", "\(size) bytes of address space")
        guard let base = unsafe address else { preconditionFailure("mmap gave no address") }
        unsafe self.base = base
        self.size = size
    }

    deinit {
        // SAFETY: nothing borrows the reservation any more; it fits in an Int since init.
        unsafe munmap(base, Int(truncatingIfNeeded: size))
    }

    /// The host address of the first byte.
    public var address: UInt64 {
        UInt64(UInt(bitPattern: unsafe base))
    }

    /// Maps `size` bytes of `file` from `fileOffset` at `offset`; all three are multiples of the page size.
    public func map(
        _ file: borrowing MemoryFile, from fileOffset: UInt64, size: UInt64, at offset: UInt64
    ) throws(HostError) {
        try map(file.descriptor, file.name, from: fileOffset, size: size, at: offset)
    }

    /// Maps `size` bytes of a foreign file, counted from `fileOffset` in the part that was given.
    public func map(
        _ file: borrowing ForeignMemory, from fileOffset: UInt64, size: UInt64, at offset: UInt64
    ) throws(HostError) {
        try map(file.descriptor, file.name, from: file.offset + fileOffset, size: size, at: offset)
    }

    private func map(
        _ file: borrowing Descriptor, _ name: String, from fileOffset: UInt64, size: UInt64, at offset: UInt64
    ) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the part lies in the reservation.
        let result = unsafe chost_map_file(base + part.lowerBound, part.count, file.number, fileOffset)
        try check(result, "mmap", "\(size) bytes of \(name) at offset \(fileOffset)")
    }

    /// Puts private memory into `size` bytes at `offset`; both are multiples of the page size. It is zero, and takes memory of the host once
    /// it is touched.
    func mapMemory(size: UInt64, at offset: UInt64, inHugePages: Bool) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the part lies in the reservation.
        let result = unsafe chost_map_memory(base + part.lowerBound, part.count, inHugePages)
        try check(result, "mmap", "\(size) bytes of memory")
    }

    /// Copies bytes into what is mapped at `offset`.
    func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        let part = range(of: UInt64(bytes.count), at: offset)
        // SAFETY: the part lies in the reservation, and the caller has mapped it; a guest that writes there too gets what it deserves.
        unsafe bytes.withUnsafeBytes { source in
            let target = unsafe UnsafeMutableRawBufferPointer(start: base + part.lowerBound, count: source.count)
            unsafe target.copyMemory(from: source)
        }
    }

    /// Returns bytes of what is mapped at `offset`.
    func read(count: Int, at offset: UInt64) -> [UInt8] {
        let part = range(of: UInt64(count), at: offset)
        // SAFETY: the part lies in the reservation, and the caller has mapped it; it is copied once.
        return unsafe [UInt8](UnsafeRawBufferPointer(start: base + part.lowerBound, count: part.count))
    }

    /// Takes away what is mapped in `size` bytes at `offset`; the address space stays reserved.
    public func unmap(size: UInt64, at offset: UInt64) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the part lies in the reservation.
        try check(unsafe chost_unmap_file(base + part.lowerBound, part.count), "mmap", "\(size) bytes given back")
    }

    /// Frees the pages of the file that is mapped in `size` bytes at `offset`.
    func discard(size: UInt64, at offset: UInt64) {
        let part = range(of: size, at: offset)
        // SAFETY: the part lies in the reservation. Its pages are zero afterwards, and stay mapped.
        _ = unsafe madvise(base + part.lowerBound, part.count, 9)  // MADV_REMOVE
    }

    private func range(of size: UInt64, at offset: UInt64) -> Range<Int> {
        precondition(offset <= self.size && size <= self.size - offset, "\(size) bytes at \(offset) are not reserved")
        // Both fit, since the reservation does.
        return Int(truncatingIfNeeded: offset)..<Int(truncatingIfNeeded: offset + size)
    }

    /// The offset of a host address in the reservation, or nil outside.
    public func offset(of address: UInt64) -> UInt64? {
        let offset = address &- self.address
        return offset < size ? offset : nil
    }
}
