internal import CHost
internal import Glibc
internal import SystemPackage

/// A range of reserved host address space, into which memory can be mapped. The reservation itself takes no memory.
@safe
public final class AddressReservation: Sendable {
    // SAFETY: the address space is reserved from init to deinit and is `size` bytes long.
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    /// The number of reserved bytes.
    public let size: UInt64

    /// Reserves `size` bytes of address space. The size must not be 0, and the kernel reserves whole pages.
    public init(size: UInt64) throws(HostError) {
        guard let length = Int(exactly: size), length > 0 else {
            throw HostError(call: "mmap", subject: "\(size) bytes of address space", errno: .invalidArgument)
        }
        var address: UnsafeMutableRawPointer?
        // SAFETY: the call makes a new reservation and touches no other.
        try check(unsafe chost_reserve(length, &address), "mmap", "\(size) bytes of address space")
        guard let base = unsafe address else { preconditionFailure("mmap gave no address") }
        unsafe self.base = base
        self.size = size
    }

    deinit {
        // SAFETY: no reference to the reservation is left. Its size fits into an Int, as init has checked.
        unsafe munmap(base, Int(truncatingIfNeeded: size))
    }

    /// The host address of the first byte.
    public var address: UInt64 {
        UInt64(UInt(bitPattern: unsafe base))
    }

    /// Maps `size` bytes of a file, from `fileOffset` on, at `offset` in the reservation. All three numbers are multiples of the page
    /// size.
    func map(
        _ file: borrowing Descriptor, _ name: String, from fileOffset: UInt64, size: UInt64, at offset: UInt64
    ) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the mapped range lies in the reservation.
        let result = unsafe chost_map_file(base + part.lowerBound, part.count, file.number, fileOffset)
        try check(result, "mmap", "\(size) bytes of \(name) at offset \(fileOffset)")
    }

    /// Maps private memory over `size` bytes at `offset`. Both numbers are multiples of the page size. The private memory reads as
    /// zero, and takes up memory of the host once it is touched.
    func mapMemory(size: UInt64, at offset: UInt64, inHugePages: Bool) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the mapped range lies in the reservation.
        let result = unsafe chost_map_memory(base + part.lowerBound, part.count, inHugePages)
        try check(result, "mmap", "\(size) bytes of memory")
    }

    /// Copies bytes into the memory that is mapped at `offset`.
    func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        let part = range(of: UInt64(bytes.count), at: offset)
        // SAFETY: the range lies in the reservation, and the caller has mapped it. A guest that writes there at the same time can
        // only spoil these bytes.
        unsafe bytes.withUnsafeBytes { source in
            let target = unsafe UnsafeMutableRawBufferPointer(start: base + part.lowerBound, count: source.count)
            unsafe target.copyMemory(from: source)
        }
    }

    /// Returns `count` bytes of the memory that is mapped at `offset`.
    func read(count: Int, at offset: UInt64) -> [UInt8] {
        let part = range(of: UInt64(count), at: offset)
        // SAFETY: the range lies in the reservation, and the caller has mapped it. The bytes are copied once.
        return unsafe [UInt8](UnsafeRawBufferPointer(start: base + part.lowerBound, count: part.count))
    }

    /// Unmaps `size` bytes at `offset`. The address space stays reserved.
    public func unmap(size: UInt64, at offset: UInt64) throws(HostError) {
        let part = range(of: size, at: offset)
        // SAFETY: the unmapped range lies in the reservation.
        try check(unsafe chost_unmap_file(base + part.lowerBound, part.count), "mmap", "\(size) bytes given back")
    }

    /// Frees the pages of the file that is mapped in `size` bytes at `offset`. The file reads as zeros there afterwards.
    func discard(size: UInt64, at offset: UInt64) {
        let part = range(of: size, at: offset)
        // SAFETY: the range lies in the reservation. Its pages are zero afterwards and stay mapped.
        _ = unsafe madvise(base + part.lowerBound, part.count, 9)  // MADV_REMOVE
    }

    private func range(of size: UInt64, at offset: UInt64) -> Range<Int> {
        precondition(offset <= self.size && size <= self.size - offset, "\(size) bytes at \(offset) are not reserved")
        // Both numbers fit into an Int, because the reservation's size does.
        return Int(truncatingIfNeeded: offset)..<Int(truncatingIfNeeded: offset + size)
    }

    /// Returns the offset of a host address in the reservation, or nil if the address lies outside.
    public func offset(of address: UInt64) -> UInt64? {
        let offset = address &- self.address
        return offset < size ? offset : nil
    }
}
