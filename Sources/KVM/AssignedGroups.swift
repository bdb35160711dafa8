internal import CKVM
public import SystemPackage

/// The VFIO groups whose devices a virtual machine uses (`KVM_DEV_TYPE_VFIO`).
///
/// KVM must know of a group before a device of the group is opened. If DMA of a device is not coherent, KVM then honours the
/// guest's memory types.
public struct AssignedGroups: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Creates the KVM device that holds the groups. A virtual machine can have one such device.
    public init(of vm: borrowing VirtualMachine) throws(KVMError) {
        descriptor = try Descriptor(owning: ckvm_create_vfio(vm.descriptor.number), "KVM_CREATE_DEVICE", "VFIO")
    }

    /// Adds a group, given by its open file, to those that KVM knows, or removes it. KVM keeps the file open until the group is
    /// removed.
    public borrowing func set(_ group: FileDescriptor, isKnown: Bool) throws(KVMError) {
        let result = ckvm_set_group(descriptor.number, group.rawValue, isKnown)
        try check(result, "KVM_SET_DEVICE_ATTR", "a group of VFIO")
    }
}
