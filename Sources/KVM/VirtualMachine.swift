internal import CKVM
internal import SystemPackage

/// A virtual machine: the owner of slots and interrupt controllers, and the maker of vCPUs.
public struct VirtualMachine: ~Copyable, Sendable {
    let descriptor: Descriptor
    let runSize: Int

    /// Returns the value of a capability for this machine, or 0 if it is missing (`KVM_CHECK_EXTENSION`).
    public func capability(_ capability: Capability) throws(KVMError) -> Int {
        try capability.value(of: descriptor)
    }

    /// Creates a vCPU (`KVM_CREATE_VCPU`). Its APIC id is `id`.
    public func makeVirtualCPU(id: UInt32) throws(KVMError) -> VirtualCPU {
        let result = ckvm_create_vcpu(descriptor.number, UInt(id))
        let cpu = try Descriptor(owning: result, "KVM_CREATE_VCPU", "vCPU \(id)")
        return try VirtualCPU(descriptor: cpu, id: id, runSize: runSize)
    }

    /// Creates two PICs, an I/O APIC, and a local APIC for each vCPU created afterwards (`KVM_CREATE_IRQCHIP`). Gives the PICs the
    /// vectors that a PC's firmware gives them, from 0x08 and from 0x70 on (`KVM_SET_IRQCHIP`).
    public func makeInterruptControllers() throws(KVMError) {
        try check(ckvm_create_irqchip(descriptor.number), "KVM_CREATE_IRQCHIP")
        try check(ckvm_start_pics(descriptor.number), "KVM_SET_IRQCHIP")
    }

    /// Creates the timer of a PC on interrupt line 0 (`KVM_CREATE_PIT2`). The interrupt controllers must exist already. The timer
    /// ticks 18.2 times a second, as a PC's firmware leaves it (`KVM_SET_PIT2`).
    public func makeTimer() throws(KVMError) {
        try check(ckvm_create_pit(descriptor.number), "KVM_CREATE_PIT2")
        try check(ckvm_start_pit(descriptor.number), "KVM_SET_PIT2")
    }

    /// Gives KVM four pages of guest-physical memory below 4 GiB. Some Intel processors need them for guests in real mode.
    /// `KVM_SET_IDENTITY_MAP_ADDR` takes the first page, `KVM_SET_TSS_ADDR` the other three.
    public func reserveRealModePages(at address: UInt32) throws(KVMError) {
        try check(ckvm_set_identity_map_address(descriptor.number, UInt64(address)), "KVM_SET_IDENTITY_MAP_ADDR")
        try check(ckvm_set_tss_address(descriptor.number, UInt(address) + 0x1000), "KVM_SET_TSS_ADDR")
    }

    /// Raises or lowers an interrupt line of the in-kernel controllers (`KVM_IRQ_LINE`).
    public func setInterruptLine(_ irq: UInt32, isRaised: Bool) throws(KVMError) {
        try check(ckvm_irq_line(descriptor.number, irq, isRaised), "KVM_IRQ_LINE", "IRQ \(irq)")
    }

    /// Sends a message-signalled interrupt (`KVM_SIGNAL_MSI`). A message that no vCPU takes is not an error, because a guest may
    /// name a destination that does not exist.
    public func signalMSI(address: UInt64, data: UInt32) throws(KVMError) {
        let result = ckvm_signal_msi(descriptor.number, address, data)
        guard result != -Errno.notPermitted.rawValue else { return }
        try check(result, "KVM_SIGNAL_MSI", "data \(data)")
    }

    /// Creates, deletes or moves a slot, or changes its flags (`KVM_SET_USER_MEMORY_REGION`).
    ///
    /// Addresses and sizes are in bytes. The errno is returned, not thrown: `SlotRule` knows KVM's rules, and some callers expect a
    /// refusal.
    ///
    /// - Returns: 0, or KVM's errno.
    @inline(__always)
    public func setMemoryRegion(
        slot: UInt32, flags: UInt32, guestAddress: UInt64, size: UInt64, hostAddress: UInt64
    ) -> Int32 {
        -ckvm_set_memory_region(descriptor.number, slot, flags, guestAddress, size, hostAddress)
    }
}
