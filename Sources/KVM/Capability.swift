internal import CKVM

/// What `KVM_CHECK_EXTENSION` can be asked (KVM API, section 8 and the requests that name them).
public struct Capability: Sendable {
    /// The name in `<linux/kvm.h>`.
    public let name: String
    let number: Int32

    public static let irqchip = Capability(name: "KVM_CAP_IRQCHIP", number: KVM_CAP_IRQCHIP)
    public static let userMemory = Capability(name: "KVM_CAP_USER_MEMORY", number: KVM_CAP_USER_MEMORY)
    public static let recommendedVCPUs = Capability(name: "KVM_CAP_NR_VCPUS", number: KVM_CAP_NR_VCPUS)
    public static let memslots = Capability(name: "KVM_CAP_NR_MEMSLOTS", number: KVM_CAP_NR_MEMSLOTS)
    public static let maximumVCPUs = Capability(name: "KVM_CAP_MAX_VCPUS", number: KVM_CAP_MAX_VCPUS)
    public static let signalMSI = Capability(name: "KVM_CAP_SIGNAL_MSI", number: KVM_CAP_SIGNAL_MSI)
    public static let readOnlyMemory = Capability(name: "KVM_CAP_READONLY_MEM", number: KVM_CAP_READONLY_MEM)
    public static let immediateExit = Capability(name: "KVM_CAP_IMMEDIATE_EXIT", number: KVM_CAP_IMMEDIATE_EXIT)
    public static let multipleAddressSpaces = Capability(
        name: "KVM_CAP_MULTI_ADDRESS_SPACE", number: KVM_CAP_MULTI_ADDRESS_SPACE)
    public static let deadlineTimer = Capability(name: "KVM_CAP_TSC_DEADLINE_TIMER", number: KVM_CAP_TSC_DEADLINE_TIMER)

    /// The size of a ring of pages that a vCPU has written, at most, in bytes.
    public static let dirtyRing = Capability(name: "KVM_CAP_DIRTY_LOG_RING", number: KVM_CAP_DIRTY_LOG_RING)
    /// The quirks that can be switched off, a bit each.
    public static let quirks = Capability(name: "KVM_CAP_DISABLE_QUIRKS2", number: KVM_CAP_DISABLE_QUIRKS2)
    /// `KVM_SET_USER_MEMORY_REGION2`.
    public static let userMemory2 = Capability(name: "KVM_CAP_USER_MEMORY2", number: Int32(CKVM_USER_MEMORY2))
    public static let guestMemory = Capability(name: "KVM_CAP_GUEST_MEMFD", number: Int32(CKVM_GUEST_MEMFD))

    /// The quirk by which KVM forgets all translations when a slot goes or moves, and not only those of the slot.
    public static let zapAllQuirk = CKVM_SLOT_ZAP_ALL

    /// All of them, in the order in which KVM got them.
    public static let all = [
        irqchip, userMemory, recommendedVCPUs, memslots, maximumVCPUs, signalMSI, readOnlyMemory, deadlineTimer,
        immediateExit, multipleAddressSpaces, dirtyRing, quirks, userMemory2, guestMemory,
    ]

    /// The value that KVM gives, for the host or for one machine; 0 where the capability is missing.
    func value(of descriptor: borrowing Descriptor) throws(KVMError) -> Int {
        Int(try check(ckvm_check_extension(descriptor.number, Int(number)), "KVM_CHECK_EXTENSION", name))
    }
}
