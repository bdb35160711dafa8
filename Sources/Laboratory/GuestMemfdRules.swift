internal import Memslots

/// The place in a guest_memfd that KVM_SET_USER_MEMORY_REGION2 is asked to put behind a slot.
public struct GuestMemfdPlace: Hashable, Sendable {
    /// The kind of a descriptor that a request names.
    public enum File: String, Codable, Sendable {
        /// A guest_memfd of the machine, one of another machine, or a number that is not open.
        case own, foreign, closed
    }

    /// The descriptor that the request names.
    public var file: File
    /// The offset in the file, in bytes.
    public var offset: UInt64

    /// The flag with which KVM heeds the descriptor and the offset (`KVM_MEM_GUEST_MEMFD`).
    static let flag: UInt32 = 1 << 2
}

/// The rules that guest_memfd adds to the rules of all slots (`virt/kvm/kvm_main.c`, kvm_set_memory_region, and
/// `guest_memfd.c`, kvm_gmem_bind).
public enum GuestMemoryRule: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
    /// A slot with guest_memfd memory is neither read-only nor logs dirty pages.
    case guestMemoryFlags
    /// The offset is a multiple of 4096, and the range of the file ends below 2^64.
    case guestMemoryOffset
    /// A slot with guest_memfd memory can only be deleted, and no other slot gets such memory later.
    case fixedGuestMemory
    /// The descriptor is open.
    case guestMemoryDescriptor
    /// The file is a guest_memfd of this machine, and the range lies in it and behind no other slot.
    case guestMemoryPlace

    var errno: SlotErrno { self == .guestMemoryDescriptor ? .badDescriptor : .invalidArgument }

    var words: String {
        switch self {
        case .guestMemoryFlags: "a slot with guest memory is neither read-only nor logs dirty pages"
        case .guestMemoryOffset: "the offset is a multiple of 4096, and the range of the file ends below 2^64"
        case .fixedGuestMemory: "a slot with guest memory can only be deleted, and no other slot gets some later"
        case .guestMemoryDescriptor: "the descriptor is open"
        case .guestMemoryPlace:
            "the file is this machine's guest memory, and the range lies in it and behind no other slot"
        }
    }
}

/// Predicts how guest_memfd changes the verdicts on requests, and remembers which part of the file lies behind which slot.
struct GuestMemfdRules: Sendable {
    /// Whether KVM offers guest_memfd for the machine.
    let isOffered: Bool
    /// The bytes of the machine's guest_memfd behind each slot that has some.
    private var bound: [SlotID: Range<UInt64>] = [:]

    init(isOffered: Bool) { self.isOffered = isOffered }

    /// Predicts the verdict on a request. `place` is nil if the request uses KVM_SET_USER_MEMORY_REGION.
    func verdict(
        on request: SlotRequest, _ place: GuestMemfdPlace?, _ table: MemslotTable, _ predict: SlotVerdict.Predict
    ) -> SlotVerdict {
        var (plain, wanted) = (request, nil as GuestMemfdPlace?)
        if let place, isOffered, request.flags & GuestMemfdPlace.flag != 0 {
            (plain.flags, wanted) = (request.flags & ~GuestMemfdPlace.flag, place)
            guard plain.flags == 0 else { return .refusedMemory(.guestMemoryFlags) }
            guard place.offset % Page.size == 0, !place.offset.addingReportingOverflow(request.size).overflow else {
                return .refusedMemory(.guestMemoryOffset)
            }
        }
        let verdict = predict(table, plain)
        // KVM checks all other rules with EINVAL, except `highestGuestAddress`, before the rules that follow here.
        if case .refused(let rule) = verdict, rule.errno == .invalidArgument, rule != .highestGuestAddress {
            return verdict
        }
        let id = SlotID(truncatingIfNeeded: request.slot)
        if request.size > 0, table[id] != nil {
            return wanted != nil || bound[id] != nil ? .refusedMemory(.fixedGuestMemory) : verdict
        }
        guard let wanted, request.size > 0, verdict != .refused(.noOverlap) else { return verdict }
        guard wanted.file != .closed else { return .refusedMemory(.guestMemoryDescriptor) }
        let range = wanted.offset..<wanted.offset + request.size
        let isFree =
            wanted.file == .own && range.upperBound <= FuzzMemory.guestSize
            && !bound.values.contains { $0.overlaps(range) }
        return isFree ? verdict : .refusedMemory(.guestMemoryPlace)
    }

    /// Notes a change that KVM has accepted.
    mutating func apply(_ change: SlotChange, flags: UInt32, _ place: GuestMemfdPlace?) {
        switch change {
        case .create(let slot):
            guard let place, flags & GuestMemfdPlace.flag != 0 else { return }
            bound[slot.id] = place.offset..<place.offset + slot.range.size
        case .delete(let slot): bound[slot.id] = nil
        case .move, .setFlags, .none: return
        }
    }
}
