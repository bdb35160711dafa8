/// The number by which KVM knows a slot, within its address space.
public typealias SlotID = UInt16

/// A slot that KVM holds: a range of guest-physical addresses and the host memory behind it
/// (`struct kvm_userspace_memory_region`).
public struct Memslot: Hashable, Sendable {
    // First, as holes are ranges too: what a look-up answers then begins with eight bytes either way. With the id there,
    // reading them behind a write of two stalls the processor.
    public var range: GuestRange
    /// The host address of the first byte.
    public var host: UInt64
    public var flags: SlotFlags
    public var id: SlotID

    public init(id: SlotID, range: GuestRange, host: UInt64, flags: SlotFlags = []) {
        self.id = id
        self.range = range
        self.host = host
        self.flags = flags
    }

    /// 4 KiB pages in the slot.
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
    public var rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// KVM keeps a bitmap of the pages that the guest writes (`KVM_MEM_LOG_DIRTY_PAGES`).
    public static let logDirtyPages = SlotFlags(rawValue: 1)
    /// Writes exit to the monitor (`KVM_MEM_READONLY`).
    public static let readOnly = SlotFlags(rawValue: 2)
    /// All flags that KVM takes.
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

/// A slot without its id, in 16 bytes. The slots of a table lie in an array of these by id.
///
/// Guest frames have at most 40 bits, page counts 31, host addresses are page-aligned: the rest fits into the gaps.
struct PackedSlot: Equatable, Sendable {
    /// The guest frame, and below it the lower 24 bits of the page count.
    private var guest: UInt64
    /// The host address, and in its lower 12 bits the upper 7 bits of the page count and the flags from bit 8 on.
    private var host: UInt64

    /// No slot: it has no pages, as in the kernel.
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

    /// Whether the slot is in use and holds this frame.
    @inline(__always)
    func contains(frame other: UInt64) -> Bool {
        other &- frame < pages
    }

    @inline(__always)
    func slot(id: SlotID) -> Memslot? {
        pages == 0 ? nil : used(id: id)
    }

    /// The slot, where it is known to be in use. It ends below 2^53.
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
