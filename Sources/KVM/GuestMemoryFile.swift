internal import CKVM
internal import SystemPackage

/// Memory of one virtual machine that only its guest reaches (`KVM_CREATE_GUEST_MEMFD`).
public final class GuestMemoryFile: Sendable {
    fileprivate let descriptor: Descriptor

    /// Makes `size` bytes of memory.
    public init(for vm: borrowing VirtualMachine, size: UInt64) throws(KVMError) {
        let result = ckvm_create_guest_memory(vm.descriptor.number, size)
        descriptor = try Descriptor(owning: result, "KVM_CREATE_GUEST_MEMFD", "\(size) bytes")
    }
}

extension VirtualMachine {
    /// Switches a capability on (`KVM_ENABLE_CAP`).
    public func enable(_ capability: Capability, _ argument: Int) throws(KVMError) {
        try check(
            ckvm_enable_capability(descriptor.number, UInt32(capability.number), UInt64(argument)), "KVM_ENABLE_CAP",
            capability.name)
    }

    /// Creates, deletes, moves or flags a slot (`KVM_SET_USER_MEMORY_REGION2`).
    ///
    /// - Parameters:
    ///   - memory: What is behind the slot from `offset` on where the flags have `KVM_MEM_GUEST_MEMFD`; nil for a descriptor that is not
    ///     open.
    /// - Returns: 0 or KVM's errno.
    public func setMemoryRegion2(
        slot: UInt32, flags: UInt32, guestAddress: UInt64, size: UInt64, hostAddress: UInt64, memory: GuestMemoryFile?,
        offset: UInt64
    ) -> Int32 {
        -ckvm_set_memory_region2(
            descriptor.number, slot, flags, guestAddress, size, hostAddress, memory?.descriptor.number ?? -1, offset)
    }
}
