/// The number of a slot within its KVM address space.
public typealias SlotID = UInt16

/// A slot that KVM holds: a range of guest-physical addresses and the host memory behind it
/// (`struct kvm_userspace_memory_region`).
public struct Memslot: Hashable, Sendable {
    // The range comes first for speed. A look-up returns a slot or a hole. With this order both begin with the eight bytes of an
    // address. If the two bytes of the id came first, a read of eight bytes right after the write of two would stall the processor.
    /// The guest-physical addresses.
    public var range: GuestRange
    /// The host address of the slot's first byte.
    public var host: UInt64
    /// The flags that KVM holds.
    public var flags: SlotFlags
    /// The number of the slot.
    public var id: SlotID

    /// Creates a slot.
    public init(id: SlotID, range: GuestRange, host: UInt64, flags: SlotFlags = []) {
        self.id = id
        self.range = range
        self.host = host
        self.flags = flags
    }

    /// The number of 4 KiB pages in the slot.
    public var pages: UInt64 {
        range.pages
    }
}

extension Memslot: CustomStringConvertible {
    public var description: String {
        "slot \(id) (\(range), host \(hexadecimal(host))\(flags.isEmpty ? "" : ", \(flags)"))"
    }
}

/// The flags of a slot (`KVM_MEM_*`).
public struct SlotFlags: OptionSet, Hashable, Sendable {
    /// The flags as KVM numbers them.
    public var rawValue: UInt32

    /// Creates flags from KVM's numbers.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// KVM keeps a bitmap of the pages that the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`).
    public static let logDirtyPages = SlotFlags(rawValue: 1)
    /// Guest writes exit to the monitor (`KVM_MEM_READONLY`).
    public static let readOnly = SlotFlags(rawValue: 2)
    /// All flags that `KVM_SET_USER_MEMORY_REGION` takes.
    public static let all: SlotFlags = [.logDirtyPages, .readOnly]
}

extension SlotFlags: CustomStringConvertible {
    public var description: String {
        var names: [String] = []
        if contains(.readOnly) { names.append("read-only") }
        if contains(.logDirtyPages) { names.append("dirty logging") }
        return names.joined(separator: ", ")
    }
}

/// A slot without its id, packed into 16 bytes. A table holds its slots in an array of these, indexed by id.
///
/// A guest frame has at most 40 bits, a page count 31, and a host address is page-aligned. So the page count and the flags fit into
/// the unused bits.
struct PackedSlot: Equatable, Sendable {
    /// The guest frame in the upper 40 bits, and the lower 24 bits of the page count in the others.
    private var guest: UInt64
    /// The host address. Its lower 12 bits hold the upper 7 bits of the page count, and the flags from bit 8 on.
    private var host: UInt64

    /// The value for an id without a slot. It has no pages, as in the kernel.
    static let unused = PackedSlot(guest: 0, host: 0)

    private init(guest: UInt64, host: UInt64) {
        self.guest = guest
        self.host = host
    }

    init(_ slot: Memslot) {
        let pages = slot.pages
        guest = slot.range.first.frame << 24 | pages & 0xff_ffff
        host = slot.host | pages >> 24 | UInt64(slot.flags.rawValue) << 8
    }

    @inline(__always)
    var pages: UInt64 {
        guest & 0xff_ffff | (host & 0x7f) << 24
    }

    @inline(__always)
    var frame: UInt64 {
        guest >> 24
    }

    /// Returns whether the slot is in use and contains a frame.
    @inline(__always)
    func contains(frame other: UInt64) -> Bool {
        other &- frame < pages
    }

    @inline(__always)
    func slot(id: SlotID) -> Memslot? {
        pages == 0 ? nil : used(id: id)
    }

    /// Returns the slot, which must be in use. The addresses cannot overflow, because a slot ends below 2^53.
    @inline(__always)
    func used(id: SlotID) -> Memslot {
        let first = frame << Page.shift
        let last = first &+ (pages << Page.shift) &- 1
        return Memslot(
            id: id, range: GuestRange(unchecked: GuestAddress(first), GuestAddress(last)),
            host: host & ~(Page.size - 1),
            flags: SlotFlags(rawValue: UInt32(truncatingIfNeeded: host >> 8 & 0xf)))
    }
}
