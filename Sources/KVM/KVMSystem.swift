internal import CKVM
internal import SystemPackage

/// The device `/dev/kvm`: what the host's KVM offers, and the maker of virtual machines.
public struct KVMSystem: ~Copyable, Sendable {
    /// The version of the KVM API for which this code is written. It has not changed since Linux 2.6.22.
    public static let apiVersion: Int32 = 12

    let descriptor: Descriptor
    /// The bytes of the run structure that KVM shares with user space for each vCPU (`KVM_GET_VCPU_MMAP_SIZE`).
    let runSize: Int

    /// Opens the device.
    ///
    /// - Throws: The error of `open`, or ENOTSUP if KVM has another version of the API (`KVM_GET_API_VERSION`).
    public init(device: String = "/dev/kvm") throws(KVMError) {
        let descriptor = try Descriptor(device: device)
        let version = try check(ckvm_api_version(descriptor.number), "KVM_GET_API_VERSION")
        guard version == Self.apiVersion else {
            throw KVMError(
                request: "KVM_GET_API_VERSION", subject: "version \(version), not \(Self.apiVersion)",
                errno: .notSupported)
        }
        runSize = Int(try check(ckvm_run_size(descriptor.number), "KVM_GET_VCPU_MMAP_SIZE"))
        self.descriptor = descriptor
    }

    /// Returns the value of a capability, or 0 if it is missing (`KVM_CHECK_EXTENSION`).
    public func capability(_ capability: Capability) throws(KVMError) -> Int {
        try capability.value(of: descriptor)
    }

    /// Creates an empty virtual machine (`KVM_CREATE_VM`).
    ///
    /// A signal can interrupt the request. The method then repeats it.
    public func makeVirtualMachine() throws(KVMError) -> VirtualMachine {
        var vm: Int32
        repeat { vm = ckvm_create_vm(descriptor.number) } while vm == -Errno.interrupted.rawValue
        return VirtualMachine(descriptor: try Descriptor(owning: vm, "KVM_CREATE_VM"), runSize: runSize)
    }
}
