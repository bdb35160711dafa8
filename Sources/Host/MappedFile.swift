/// A memory file that is mapped once, whole, and stays where it is.
///
/// All of it may be written by a guest at any time, so there is no view of it: bytes are copied in and out.
public struct MappedFile: ~Copyable, Sendable {
    public private(set) var file: MemoryFile
    private let reservation: AddressReservation

    /// Maps a new file that can grow to `capacity` bytes.
    public init(name: String, capacity: UInt64) throws(HostError) {
        let reservation = try AddressReservation(size: capacity)
        let file = try MemoryFile(name: name)
        try reservation.map(file, from: 0, size: capacity, at: 0)
        self.reservation = reservation
        self.file = file
    }

    /// The host address of the first byte; it does not change.
    public var address: UInt64 {
        reservation.address
    }

    /// Bytes that the file can grow to.
    public var capacity: UInt64 {
        reservation.size
    }

    /// Grows or shrinks the file within its capacity.
    public mutating func resize(to size: UInt64) throws(HostError) {
        precondition(size <= capacity, "\(size) bytes, more than the \(capacity) that were reserved")
        try file.resize(to: size)
    }

    /// Seals the file at its size.
    public func sealSize() throws(HostError) {
        try file.sealSize()
    }

    /// Maps `size` bytes of the file from `fileOffset` a second time, into reserved address space.
    public func map(
        from fileOffset: UInt64, size: UInt64, into reservation: borrowing AddressReservation, at offset: UInt64
    ) throws(HostError) {
        try reservation.map(file, from: fileOffset, size: size, at: offset)
    }

    /// Copies `bytes` into the file at `offset`, where they fit.
    public func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        check(offset, count: bytes.count)
        reservation.write(bytes, at: offset)
    }

    /// The `count` bytes at `offset`.
    public func read(count: Int, at offset: UInt64) -> [UInt8] {
        check(offset, count: count)
        return reservation.read(count: count, at: offset)
    }

    /// Gives the pages of a part back to the host. The part then reads as zeros.
    public func discard(size: UInt64, at offset: UInt64) { reservation.discard(size: size, at: offset) }

    private func check(_ offset: UInt64, count: Int) {
        precondition(
            count >= 0 && offset <= file.size && UInt64(count) <= file.size - offset,
            "\(count) bytes at \(offset) are not in a file of \(file.size)")
    }
}
