/// Memory at an address that does not change: memory of this process alone, or a file that other processes can map too. It is zero,
/// and takes memory of the host once it is touched.
///
/// A guest may write any byte at any time, so there is no view of the memory. Bytes are copied in and out.
public final class HostMemory: Sendable {
    private let reservation: AddressReservation
    /// The offset of the memory in the reserved address space.
    private let start: UInt64
    /// The size in bytes.
    public let size: UInt64
    /// The file, whose size is sealed, or nil for memory of this process alone.
    public let file: SharedDescriptor?

    /// The name of the file in error messages.
    private let name: String

    /// The size of a huge page in bytes. Memory of this process alone begins at a multiple of this size.
    public static let hugePage: UInt64 = 2 << 20

    /// Reserves memory of this process alone.
    ///
    /// - Parameters:
    ///   - size: The size in bytes, a multiple of the page size.
    ///   - inHugePages: Whether to ask the host for huge pages. The host may have none, or none left.
    public init(size: UInt64, inHugePages: Bool) throws(HostError) {
        let (reserved, overflow) = size.addingReportingOverflow(Self.hugePage)
        let reservation = try AddressReservation(size: overflow ? .max : reserved)
        start = (0 &- reservation.address) % Self.hugePage
        try reservation.mapMemory(size: size, at: start, inHugePages: inHugePages)
        self.reservation = reservation
        self.size = size
        (file, name) = (nil, "")
    }

    /// Creates a file with a sealed size, and maps it.
    public init(file name: String, size: UInt64) throws(HostError) {
        let reservation = try AddressReservation(size: size)
        let file = try MemoryFile.sealed(name: name, size: size)
        try reservation.map(file.descriptor, name, from: 0, size: size, at: 0)
        self.reservation = reservation
        start = 0
        self.size = size
        (self.file, self.name) = (SharedDescriptor(file.descriptor), name)
    }

    /// The host address of the first byte.
    public var address: UInt64 { reservation.address + start }

    /// Maps `size` bytes of the file, from `fileOffset` on, a second time: at `offset` in reserved address space. The memory must
    /// be in a file.
    public func map(
        from fileOffset: UInt64, size: UInt64, into reservation: AddressReservation, at offset: UInt64
    ) throws(HostError) {
        guard let file else { preconditionFailure("memory that is mapped a second time is in a file") }
        try reservation.map(file.descriptor, name, from: fileOffset, size: size, at: offset)
    }

    /// Copies bytes into the memory at `offset`. They must fit.
    public func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        check(offset, count: bytes.count)
        reservation.write(bytes, at: start + offset)
    }

    /// Returns `count` bytes from `offset` on.
    public func read(count: Int, at offset: UInt64) -> [UInt8] {
        check(offset, count: count)
        return reservation.read(count: count, at: start + offset)
    }

    /// Gives the pages of a part of the file back to the host. The part then reads as zeros.
    public func discard(size: UInt64, at offset: UInt64) {
        check(offset, count: Int(clamping: size))
        reservation.discard(size: size, at: start + offset)
    }

    private func check(_ offset: UInt64, count: Int) {
        precondition(
            count >= 0 && offset <= size && UInt64(count) <= size - offset,
            "\(count) bytes at \(offset) are not in memory of \(size)")
    }
}
