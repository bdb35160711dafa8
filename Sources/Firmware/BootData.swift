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

/// The reason why a guest cannot get the boot information or the tables that it expects.
public enum FirmwareError: Error, Equatable, Sendable {
    /// No room in the guest's memory below 3 GiB for a module or the boot information. The size is in bytes.
    case noRoom(what: String, size: UInt64)
    /// No room for the ACPI tables from 0xe0000 to 1 MiB. The size is in bytes.
    case noRoomForTables(size: Int)
    /// A command line with more bytes than the kernel takes (`cmdline_size`), which is `most`.
    case commandLineTooLong(Int, most: UInt32)
    /// An initial RAM disk whose end passes `most`, the last address that the kernel takes (`initrd_addr_max`).
    case initrdTooHigh(end: UInt64, most: UInt32)
    /// Several modules for Linux, which takes one as its initial RAM disk.
    case manyModules(Int)
}

extension FirmwareError: CustomStringConvertible {
    /// One line that says what does not fit, and the limit.
    public var description: String {
        switch self {
        case .noRoom(let what, let size): "no room below 3G for \(what) of \(size) bytes beside the image"
        case .noRoomForTables(let size): "no room from 0xe0000 to 1M for ACPI tables of \(size) bytes beside the image"
        case .commandLineTooLong(let count, let most):
            "a command line of \(count) bytes: this kernel takes at most \(most) (cmdline_size)"
        case .initrdTooHigh(let end, let most):
            "an initial RAM disk that ends at \(hexadecimal(end)): this kernel takes addresses up to \(hexadecimal(UInt64(most))) "
                + "(initrd_addr_max)"
        case .manyModules(let count): "\(count) modules: Linux takes one, its initial RAM disk"
        }
    }
}
