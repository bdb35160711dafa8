internal import CKVM

/// A capability about which `KVM_CHECK_EXTENSION` can be asked (KVM API, section 8, and the requests that name capabilities).
public struct Capability: Sendable {
    /// The capability's name in `<linux/kvm.h>`.
    public let name: String
    let number: Int32

    /// Interrupt controllers in the kernel.
    public static let irqchip = Capability(name: "KVM_CAP_IRQCHIP", number: KVM_CAP_IRQCHIP)
    /// Slots that are backed by memory of user space.
    public static let userMemory = Capability(name: "KVM_CAP_USER_MEMORY", number: KVM_CAP_USER_MEMORY)
    /// The largest number of vCPUs that KVM recommends.
    public static let recommendedVCPUs = Capability(name: "KVM_CAP_NR_VCPUS", number: KVM_CAP_NR_VCPUS)
    /// The number of slot ids that user space can use. The ids that KVM keeps for itself are not counted.
    public static let memslots = Capability(name: "KVM_CAP_NR_MEMSLOTS", number: KVM_CAP_NR_MEMSLOTS)
    /// The largest number of vCPUs that KVM allows.
    public static let maximumVCPUs = Capability(name: "KVM_CAP_MAX_VCPUS", number: KVM_CAP_MAX_VCPUS)
    /// Message-signalled interrupts that the monitor sends (`KVM_SIGNAL_MSI`).
    public static let signalMSI = Capability(name: "KVM_CAP_SIGNAL_MSI", number: KVM_CAP_SIGNAL_MSI)
    /// Read-only slots.
    public static let readOnlyMemory = Capability(name: "KVM_CAP_READONLY_MEM", number: KVM_CAP_READONLY_MEM)
    /// The flag `immediate_exit` of the run structure.
    public static let immediateExit = Capability(name: "KVM_CAP_IMMEDIATE_EXIT", number: KVM_CAP_IMMEDIATE_EXIT)
    /// The number of KVM address spaces.
    public static let multipleAddressSpaces = Capability(
        name: "KVM_CAP_MULTI_ADDRESS_SPACE", number: KVM_CAP_MULTI_ADDRESS_SPACE)
    /// TSC-deadline mode of the timers in the in-kernel APICs.
    public static let deadlineTimer = Capability(name: "KVM_CAP_TSC_DEADLINE_TIMER", number: KVM_CAP_TSC_DEADLINE_TIMER)

    /// The maximum size, in bytes, of a vCPU's ring of written pages.
    public static let dirtyRing = Capability(name: "KVM_CAP_DIRTY_LOG_RING", number: KVM_CAP_DIRTY_LOG_RING)
    /// The quirks that can be switched off: one bit for each.
    public static let quirks = Capability(name: "KVM_CAP_DISABLE_QUIRKS2", number: KVM_CAP_DISABLE_QUIRKS2)
    /// Slots that can be backed by a guest memory file (`KVM_SET_USER_MEMORY_REGION2`).
    public static let userMemory2 = Capability(name: "KVM_CAP_USER_MEMORY2", number: Int32(CKVM_USER_MEMORY2))
    /// Guest memory files (`KVM_CREATE_GUEST_MEMFD`).
    public static let guestMemory = Capability(name: "KVM_CAP_GUEST_MEMFD", number: Int32(CKVM_GUEST_MEMFD))

    /// The quirk by which KVM drops all translations when a slot is deleted or moved, rather than the translations of that slot
    /// only.
    public static let zapAllQuirk = CKVM_SLOT_ZAP_ALL

    /// All capabilities above, in the order in which KVM introduced them.
    public static let all = [
        irqchip, userMemory, recommendedVCPUs, memslots, maximumVCPUs, signalMSI, readOnlyMemory, deadlineTimer,
        immediateExit, multipleAddressSpaces, dirtyRing, quirks, userMemory2, guestMemory,
    ]

    /// Returns the value that KVM gives, for the host or for one virtual machine, or 0 if the capability is missing.
    func value(of descriptor: borrowing Descriptor) throws(KVMError) -> Int {
        Int(try check(ckvm_check_extension(descriptor.number, Int(number)), "KVM_CHECK_EXTENSION", name))
    }
}
