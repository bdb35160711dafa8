/// Host memory: the backing that holds it, and the offset in there.
public struct Backing: Hashable, Sendable {
    /// The number of the backing among those of a machine: a memory file of the machine's own, or a descriptor that it was given.
    public var id: Int
    /// In bytes, a multiple of the page size.
    public var offset: UInt64

    public init(id: Int = 0, offset: UInt64) {
        self.id = id
        self.offset = offset
    }
}

/// What the guest may do with a mapping; writes to a read-only one exit to the monitor.
public enum Access: String, Codable, Sendable {
    case readWrite = "read-write"
    case readOnly = "read-only"
}

/// What guest memory should look like in one range: the host memory behind it, and whose it is.
public struct Mapping: Hashable, Sendable {
    public var range: GuestRange
    public var backing: Backing
    public var access: Access
    public var owner: MappingOwner

    public init(range: GuestRange, backing: Backing, access: Access = .readWrite, owner: MappingOwner) {
        self.range = range
        self.backing = backing
        self.access = access
        self.owner = owner
    }
}

/// A mapping with the host address of its first byte.
struct PlacedMapping: Hashable, GuestRanged {
    var mapping: Mapping
    var host: UInt64
    /// Whether it lies in a host window.
    var isInWindow = false
    /// Whether the pages that the guest writes are wanted.
    var logsDirtyPages = false

    var range: GuestRange { mapping.range }

    /// What a host window has to hold for it.
    var piece: WindowPiece? {
        isInWindow ? WindowPiece(host: host, size: mapping.range.size, backing: mapping.backing) : nil
    }

    var flags: SlotFlags {
        var flags: SlotFlags = logsDirtyPages ? .logDirtyPages : []
        if mapping.access == .readOnly {
            flags.insert(.readOnly)
        }
        return flags
    }
}
