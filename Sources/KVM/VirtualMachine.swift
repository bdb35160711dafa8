internal import CKVM
internal import SystemPackage

/// A virtual machine: memory slots, interrupt controllers, vCPUs.
public struct VirtualMachine: ~Copyable, Sendable {
    let descriptor: Descriptor
    let runSize: Int

    /// The value of a capability for this machine (`KVM_CHECK_EXTENSION`), 0 where it is missing.
    public func capability(_ capability: Capability) throws(KVMError) -> Int {
        try capability.value(of: descriptor)
    }

    /// A new vCPU; `id` is its APIC id (`KVM_CREATE_VCPU`).
    public func makeVirtualCPU(id: UInt32) throws(KVMError) -> VirtualCPU {
        let result = ckvm_create_vcpu(descriptor.number, UInt(id))
        let cpu = try Descriptor(owning: result, "KVM_CREATE_VCPU", "vCPU \(id)")
        return try VirtualCPU(descriptor: cpu, id: id, runSize: runSize)
    }

    /// Makes two PICs, an IOAPIC, and a local APIC for each vCPU made afterwards (`KVM_CREATE_IRQCHIP`). The PICs have the vectors that
    /// firmware gives them, 0x08 and 0x70 (`KVM_SET_IRQCHIP`).
    public func makeInterruptControllers() throws(KVMError) {
        try check(ckvm_create_irqchip(descriptor.number), "KVM_CREATE_IRQCHIP")
        try check(ckvm_start_pics(descriptor.number), "KVM_SET_IRQCHIP")
    }

    /// Makes the timer of a PC, on interrupt line 0 of controllers made before (`KVM_CREATE_PIT2`). It ticks as firmware leaves it, 18.2
    /// times a second (`KVM_SET_PIT2`).
    public func makeTimer() throws(KVMError) {
        try check(ckvm_create_pit(descriptor.number), "KVM_CREATE_PIT2")
        try check(ckvm_start_pit(descriptor.number), "KVM_SET_PIT2")
    }

    /// Gives KVM the four pages that Intel processors may need below 4 GiB for guests in real mode
    /// (`KVM_SET_IDENTITY_MAP_ADDR` takes the first, `KVM_SET_TSS_ADDR` the other three).
    public func reserveRealModePages(at address: UInt32) throws(KVMError) {
        try check(ckvm_set_identity_map_address(descriptor.number, UInt64(address)), "KVM_SET_IDENTITY_MAP_ADDR")
        try check(ckvm_set_tss_address(descriptor.number, UInt(address) + 0x1000), "KVM_SET_TSS_ADDR")
    }

    /// Raises or lowers an interrupt line of the in-kernel controllers (`KVM_IRQ_LINE`).
    public func setInterruptLine(_ irq: UInt32, isRaised: Bool) throws(KVMError) {
        try check(ckvm_irq_line(descriptor.number, irq, isRaised), "KVM_IRQ_LINE", "IRQ \(irq)")
    }

    /// Sends a message-signalled interrupt (`KVM_SIGNAL_MSI`); a guest may have named a destination that does not exist, so
    /// whether somebody took it is not an error.
    public func signalMSI(address: UInt64, data: UInt32) throws(KVMError) {
        let result = ckvm_signal_msi(descriptor.number, address, data)
        guard result != -Errno.notPermitted.rawValue else { return }
        try check(result, "KVM_SIGNAL_MSI", "data \(data)")
    }

    /// Creates, deletes, moves or flags a slot (`KVM_SET_USER_MEMORY_REGION`).
    ///
    /// Sizes and addresses are in bytes. Returns 0 or KVM's errno: the rules that it enforces are known elsewhere, and
    /// refusals are an everyday answer to some callers.
    @inline(__always)
    public func setMemoryRegion(
        slot: UInt32, flags: UInt32, guestAddress: UInt64, size: UInt64, hostAddress: UInt64
    ) -> Int32 {
        -ckvm_set_memory_region(descriptor.number, slot, flags, guestAddress, size, hostAddress)
    }
}
