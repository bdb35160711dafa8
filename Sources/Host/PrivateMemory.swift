/// Memory of this process alone, at an address that does not change. The memory is zero, and takes memory of the host once it is
/// touched.
///
/// A guest may write any byte at any time, so there is no view of the memory. Bytes are copied in and out.
public struct PrivateMemory: ~Copyable, Sendable {
    private let reservation: AddressReservation
    private let offset: UInt64
    /// The size in bytes.
    public let size: UInt64

    /// The size of a huge page in bytes. The memory begins at a multiple of this size.
    public static let hugePage: UInt64 = 2 << 20

    /// Reserves memory.
    ///
    /// - Parameters:
    ///   - size: The size in bytes, a multiple of the page size.
    ///   - inHugePages: Whether to ask the host for huge pages. The host may have none, or none left.
    public init(size: UInt64, inHugePages: Bool) throws(HostError) {
        let (reserved, overflow) = size.addingReportingOverflow(Self.hugePage)
        let reservation = try AddressReservation(size: overflow ? .max : reserved)
        let offset = (0 &- reservation.address) % Self.hugePage
        try reservation.mapMemory(size: size, at: offset, inHugePages: inHugePages)
        self.reservation = reservation
        self.offset = offset
        self.size = size
    }

    /// The host address of the first byte.
    public var address: UInt64 { reservation.address + offset }

    /// Copies bytes into the memory at `offset`. They must fit.
    public func write(_ bytes: Span<UInt8>, at offset: UInt64) {
        check(offset, count: bytes.count)
        reservation.write(bytes, at: self.offset + offset)
    }

    /// Returns `count` bytes from `offset` on.
    public func read(count: Int, at offset: UInt64) -> [UInt8] {
        check(offset, count: count)
        return reservation.read(count: count, at: self.offset + offset)
    }

    private func check(_ offset: UInt64, count: Int) {
        precondition(
            count >= 0 && offset <= size && UInt64(count) <= size - offset,
            "\(count) bytes at \(offset) are not in memory of \(size)")
    }
}

/// The host memory behind a range of this process's addresses.
public struct MemoryUse: Hashable, Sendable {
    /// The bytes that are in the host's memory now.
    public private(set) var resident: UInt64 = 0
    /// The part of `resident` that lies in huge pages.
    public private(set) var inHugePages: UInt64 = 0

    /// Asks the kernel (`/proc/self/smaps`). A mapping that overlaps the range counts as a whole.
    public init(from first: UInt64, size: UInt64) throws(HostError) {
        var isInRange = false
        for line in try readTextFile("/proc/self/smaps").split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            let ends = words.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
            if ends.count == 2 {
                isInRange = ends[0] < first + size && first < ends[1]
            } else if isInRange, words.count == 3, let kibibytes = UInt64(words[1]) {
                switch words[0] {
                case "Rss:": resident += kibibytes << 10
                case "AnonHugePages:", "ShmemPmdMapped:": inHugePages += kibibytes << 10
                default: break
                }
            }
        }
    }
}
