/// The rules of KVM_SET_USER_MEMORY_REGION, which `words` describes. Apart from the last one, the cases stand in the order in which
/// the kernel checks them (`virt/kvm/kvm_main.c`, `__kvm_set_memory_region`).
public enum SlotRule: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// The only flags are dirty logging (1) and read-only (2).
    case knownFlags
    /// The slot id is below the limit.
    case slotID
    /// The size is a multiple of a page.
    case alignedSize
    /// The guest address is a multiple of a page.
    case alignedGuestAddress
    /// The host address is a multiple of a page.
    case alignedHostAddress
    /// The host range ends within the user half of the address space.
    case accessibleHostRange
    /// The slot is one of address space 0.
    case addressSpace
    /// The guest range ends below 2^64.
    case noWrap
    /// A slot has at most 2^31 - 1 pages.
    case pageCount
    /// Only a slot that is there can be deleted.
    case deleteUsed
    /// A slot keeps its host address.
    case fixedHostAddress
    /// A slot keeps its size.
    case noResize
    /// A slot stays read-only or writable.
    case fixedReadOnly
    /// Slots do not overlap.
    case noOverlap
    /// A slot ends at the highest guest-physical address or below.
    case highestGuestAddress
    /// A rule of this program, not of KVM: a new slot needs a free id, and all ids are in use.
    case freeSlot

    /// The errno with which KVM refuses a request that breaks the rule.
    public var errno: SlotErrno {
        self == .noOverlap ? .exists : .invalidArgument
    }

    /// The rule in words.
    public var words: String {
        switch self {
        case .knownFlags: "flags other than dirty logging (1) and read-only (2) are not known"
        case .alignedSize: "the size is a multiple of 4096 bytes"
        case .alignedGuestAddress: "the guest address is a multiple of 4096"
        case .alignedHostAddress: "the host address is a multiple of 4096"
        case .accessibleHostRange: "the host range ends within the user half of the address space"
        case .addressSpace: "slots are in address space 0 (KVM may have another one, for system management mode)"
        case .slotID: "the slot id is below the limit"
        case .noWrap: "the guest range ends below 2^64"
        case .pageCount: "a slot has at most 2^31 - 1 pages"
        case .deleteUsed: "only a slot in use can be deleted"
        case .noResize: "a slot keeps its size: delete it and create it anew"
        case .fixedHostAddress: "a slot keeps its host address: delete it and create it anew"
        case .fixedReadOnly: "a slot stays read-only or writable: delete it and create it anew"
        case .noOverlap: "slots do not overlap"
        case .highestGuestAddress: "a slot ends at or below the highest guest-physical address"
        case .freeSlot: "no slot id is free"
        }
    }
}

/// An errno, by its number in Linux on x86-64. The errnos with which requests for slots are refused have names.
public struct SlotErrno: RawRepresentable, Error, Hashable, Sendable {
    /// The number of the errno.
    public var rawValue: Int32

    /// Creates an errno from its number.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// EINTR.
    public static let interrupted = SlotErrno(rawValue: 4)
    /// EBADF.
    public static let badDescriptor = SlotErrno(rawValue: 9)
    /// EAGAIN.
    public static let again = SlotErrno(rawValue: 11)
    /// ENOMEM.
    public static let outOfMemory = SlotErrno(rawValue: 12)
    /// EFAULT.
    public static let badAddress = SlotErrno(rawValue: 14)
    /// EEXIST.
    public static let exists = SlotErrno(rawValue: 17)
    /// EINVAL.
    public static let invalidArgument = SlotErrno(rawValue: 22)
    /// ENOSPC.
    public static let noSpace = SlotErrno(rawValue: 28)
}

extension SlotErrno: CustomStringConvertible {
    private static let names: [Self: String] = [
        .interrupted: "EINTR", .badDescriptor: "EBADF", .again: "EAGAIN", .outOfMemory: "ENOMEM",
        .badAddress: "EFAULT", .exists: "EEXIST", .invalidArgument: "EINVAL", .noSpace: "ENOSPC",
    ]

    public var description: String { Self.names[self] ?? "errno \(rawValue)" }
}

/// The refusal of a request that breaks a rule.
public struct SlotViolation: Error, Hashable, Sendable {
    /// The rule that the request breaks.
    public let rule: SlotRule
    /// The request that breaks it.
    public let request: SlotRequest
    /// The limit that the request exceeds, or nil if the rule has no limit.
    public let limit: UInt64?
    /// The slot that keeps the request from being granted, or nil if there is none.
    public let other: Memslot?

    init(_ rule: SlotRule, _ request: SlotRequest, limit: UInt64? = nil, other: Memslot? = nil) {
        self.rule = rule
        self.request = request
        self.limit = limit
        self.other = other
    }
}

extension SlotViolation: CustomStringConvertible {
    public var description: String {
        var text = "\(request): \(rule.words)"
        if let limit {
            text +=
                rule == .highestGuestAddress || rule == .accessibleHostRange
                ? " (\(hexadecimal(limit)))" : " (\(limit))"
        }
        if let other {
            text += "; in the way: \(other)"
        }
        return text + " [\(rule.errno)]"
    }
}

/// The limits on which the rules depend, besides the slots themselves.
public struct SlotLimits: Hashable, Sendable {
    /// The number of ids for ordinary slots. These ids begin at 0.
    public var userSlots: Int
    /// The number of ids for private slots, which the monitor keeps for itself. These ids follow the ordinary ones.
    public var privateSlots: Int
    /// The last guest-physical address that a slot may hold.
    public var highestGuestAddress: GuestAddress
    /// The first host address that user space cannot use.
    public var hostAddressLimit: UInt64

    /// Creates limits.
    ///
    /// Unless arguments say otherwise, guest-physical addresses have the 52 bits that x86-64 allows. Host addresses then have the
    /// 47 bits of four-level paging, less the last page, which Linux leaves out.
    ///
    /// - Parameters:
    ///   - userSlots: The number of ids for ordinary slots.
    ///   - privateSlots: The number of ids for private slots. Both numbers together are at most what KVM offers
    ///     (`KVM_CAP_NR_MEMSLOTS`), and at most 32,768.
    ///   - highestGuestAddress: The last guest-physical address that a slot may hold.
    ///   - hostAddressLimit: The first host address that user space cannot use.
    public init(
        userSlots: Int, privateSlots: Int = 0,
        highestGuestAddress: GuestAddress = GuestAddress((1 << 52) - 1),
        hostAddressLimit: UInt64 = (1 << 47) - 4096
    ) {
        precondition(userSlots >= 0 && privateSlots >= 0 && userSlots + privateSlots <= 1 << 15)
        precondition(highestGuestAddress.rawValue < 1 << 52)
        self.userSlots = userSlots
        self.privateSlots = privateSlots
        self.highestGuestAddress = highestGuestAddress
        self.hostAddressLimit = hostAddressLimit
    }

    /// The number of ids for slots of both kinds.
    var ids: Int { userSlots + privateSlots }

    /// The most pages that a slot may have (`KVM_MEM_MAX_NR_PAGES`).
    public static let maximumPages: UInt64 = (1 << 31) - 1
}
