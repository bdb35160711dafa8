/// A memory file with a stable mapping: the whole file is mapped once, at an address that does not change.
///
/// A guest may write any byte at any time, so there is no view of the file. Bytes are copied in and out.
public struct MappedFile: ~Copyable, Sendable {
    /// The mapped file.
    public private(set) var file: MemoryFile
    private let reservation: AddressReservation

    /// Creates a file that can grow to `capacity` bytes, and maps it.
    public init(name: String, capacity: UInt64) throws(HostError) {
        let reservation = try AddressReservation(size: capacity)
        let file = try MemoryFile(name: name)
        try reservation.map(file, from: 0, size: capacity, at: 0)
        self.reservation = reservation
        self.file = file
    }

    /// The host address of the file's first byte. It does not change.
    public var address: UInt64 {
        reservation.address
    }

    /// The number of bytes to which the file can grow.
    public var capacity: UInt64 {
        reservation.size
    }

    /// Grows or shrinks the file within its capacity.
    public mutating func resize(to size: UInt64) throws(HostError) {
        precondition(size <= capacity, "\(size) bytes, more than the \(capacity) that were reserved")
        try file.resize(to: size)
    }

    /// Seals the file, so that nobody can change its size any more.
    public func sealSize() throws(HostError) {
        try file.sealSize()
    }

    /// Maps `size` bytes of the file, from `fileOffset` on, a second time: at `offset` in reserved address space.
    public func map(
        from fileOffset: UInt64, size: UInt64, into reservation: borrowing AddressReservation, at offset: UInt64
    ) throws(HostError) {
        try reservation.map(file, from: fileOffset, size: size, at: offset)
    }

    /// Copies bytes into the file at `offset`. The file must be large enough.
    public func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        check(offset, count: bytes.count)
        reservation.write(bytes, at: offset)
    }

    /// Returns `count` bytes from `offset` on.
    public func read(count: Int, at offset: UInt64) -> [UInt8] {
        check(offset, count: count)
        return reservation.read(count: count, at: offset)
    }

    /// Gives the pages of a part of the file back to the host. The part then reads as zeros.
    public func discard(size: UInt64, at offset: UInt64) { reservation.discard(size: size, at: offset) }

    private func check(_ offset: UInt64, count: Int) {
        precondition(
            count >= 0 && offset <= file.size && UInt64(count) <= file.size - offset,
            "\(count) bytes at \(offset) are not in a file of \(file.size)")
    }
}
