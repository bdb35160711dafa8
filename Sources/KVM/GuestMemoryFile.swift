internal import CKVM
internal import SystemPackage

/// A guest memory file: memory of one virtual machine that only its guest can reach (`KVM_CREATE_GUEST_MEMFD`).
public final class GuestMemoryFile: Sendable {
    fileprivate let descriptor: Descriptor

    /// Creates a file of `size` bytes.
    public init(for vm: borrowing VirtualMachine, size: UInt64) throws(KVMError) {
        let result = ckvm_create_guest_memory(vm.descriptor.number, size)
        descriptor = try Descriptor(owning: result, "KVM_CREATE_GUEST_MEMFD", "\(size) bytes")
    }
}

extension VirtualMachine {
    /// Enables a capability (`KVM_ENABLE_CAP`).
    public func enable(_ capability: Capability, _ argument: Int) throws(KVMError) {
        try check(
            ckvm_enable_capability(descriptor.number, UInt32(capability.number), UInt64(argument)), "KVM_ENABLE_CAP",
            capability.name)
    }

    /// Creates, deletes or moves a slot, or changes its flags (`KVM_SET_USER_MEMORY_REGION2`). Addresses and sizes are in bytes.
    ///
    /// - Parameters:
    ///   - memory: The file behind the slot, if the flags contain `KVM_MEM_GUEST_MEMFD`. For nil, KVM gets a descriptor that is not
    ///     open.
    ///   - offset: The offset in the file at which the slot's memory begins.
    /// - Returns: 0, or KVM's errno.
    public func setMemoryRegion2(
        slot: UInt32, flags: UInt32, guestAddress: UInt64, size: UInt64, hostAddress: UInt64, memory: GuestMemoryFile?,
        offset: UInt64
    ) -> Int32 {
        -ckvm_set_memory_region2(
            descriptor.number, slot, flags, guestAddress, size, hostAddress, memory?.descriptor.number ?? -1, offset)
    }
}
