internal import CKVM
public import SystemPackage

/// The groups of VFIO that a virtual machine has (`KVM_DEV_TYPE_VFIO`).
///
/// KVM has to know of a group before a device of it is opened. It then honours the guest's memory types where DMA is not coherent.
public struct AssignedGroups: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Makes the device of KVM's, of which a machine has one.
    public init(of vm: borrowing VirtualMachine) throws(KVMError) {
        descriptor = try Descriptor(owning: ckvm_create_vfio(vm.descriptor.number), "KVM_CREATE_DEVICE", "VFIO")
    }

    /// Tells KVM of a group by its file, or has KVM forget it, which keeps the group open until then.
    public borrowing func set(_ group: FileDescriptor, isKnown: Bool) throws(KVMError) {
        let result = ckvm_set_group(descriptor.number, group.rawValue, isKnown)
        try check(result, "KVM_SET_DEVICE_ATTR", "a group of VFIO")
    }
}
