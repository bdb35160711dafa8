internal import CKVM
internal import SystemPackage

/// `/dev/kvm`: what this host's KVM offers, and where virtual machines come from.
public struct KVMSystem: ~Copyable, Sendable {
    /// The version of the API that this code is written for; it has not changed since Linux 2.6.22.
    public static let apiVersion: Int32 = 12

    let descriptor: Descriptor
    /// Bytes of the structure that KVM shares with user space for each vCPU (`KVM_GET_VCPU_MMAP_SIZE`).
    let runSize: Int

    /// Opens the device.
    ///
    /// Throws the error of `open`, or of a KVM whose API is another one (`KVM_GET_API_VERSION`).
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

    /// The value of a capability, 0 where it is missing (`KVM_CHECK_EXTENSION`).
    public func capability(_ capability: Capability) throws(KVMError) -> Int {
        try capability.value(of: descriptor)
    }

    /// A new, empty virtual machine (`KVM_CREATE_VM`).
    ///
    /// The call can be interrupted by a signal, and is then made again.
    public func makeVirtualMachine() throws(KVMError) -> VirtualMachine {
        var vm: Int32
        repeat { vm = ckvm_create_vm(descriptor.number) } while vm == -Errno.interrupted.rawValue
        return VirtualMachine(descriptor: try Descriptor(owning: vm, "KVM_CREATE_VM"), runSize: runSize)
    }
}
