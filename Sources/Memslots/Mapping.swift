/// A place in host memory: a backing and an offset in it.
public struct Backing: Hashable, Sendable {
    /// The number of the backing in its machine. A backing is a memory file of the machine's own, or a descriptor that the machine
    /// was given.
    public var id: Int
    /// The offset from the beginning of the backing, in bytes. It is a multiple of the page size.
    public var offset: UInt64

    /// Creates a place in a backing.
    public init(id: Int = 0, offset: UInt64) {
        self.id = id
        self.offset = offset
    }
}

/// What the guest may do with the memory of a mapping.
public enum Access: String, Codable, Sendable {
    /// The guest reads and writes the memory without an exit.
    case readWrite = "read-write"
    /// The guest reads the memory without an exit. Writes exit to the monitor.
    case readOnly = "read-only"
}

/// What guest memory should look like in one range: the host memory behind it, and its owner.
public struct Mapping: Hashable, Sendable {
    /// The guest-physical addresses, in whole pages.
    public var range: GuestRange
    /// The host memory of the range's first byte. The rest of the range follows it in the same backing.
    public var backing: Backing
    /// What the guest may do with the memory.
    public var access: Access
    /// The owner of the memory.
    public var owner: MappingOwner

    /// Creates a mapping.
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
    /// The host address of the mapping's first byte.
    var host: UInt64
    /// Whether the host address lies in a window, rather than in the backing's stable mapping.
    var isInWindow = false
    /// Whether KVM logs the pages that the guest writes.
    var logsDirtyPages = false

    var range: GuestRange { mapping.range }

    /// The window piece that the mapping needs, or nil if it does not lie in a window.
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
