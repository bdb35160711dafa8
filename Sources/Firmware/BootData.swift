public import Memslots

/// Bytes that the guest finds in memory when it starts.
public struct BootData: Equatable, Sendable {
    /// The address of the first byte.
    public var address: GuestAddress
    /// The bytes.
    public var bytes: [UInt8]
    /// The name of the data for people.
    public var what: String

    /// Creates boot data.
    public init(address: GuestAddress, bytes: [UInt8], what: String) {
        self.address = address
        self.bytes = bytes
        self.what = what
    }

    /// The addresses of the bytes, or nil if there are none.
    public var range: GuestRange? {
        GuestRange(first: address, size: UInt64(bytes.count))
    }
}

/// The reason why a guest cannot be told what it expects to be told.
public enum FirmwareError: Error, Equatable, Sendable {
    /// No place in the guest's memory below 3 GiB for a module or a table. The size is in bytes.
    case noRoom(what: String, size: UInt64)
}

extension FirmwareError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noRoom(let what, let size): "no room below 3G for \(what) of \(size) bytes beside the image"
        }
    }
}

/// Returns the low `size` bytes of a number, the lowest first.
func littleEndian(_ value: some FixedWidthInteger, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
