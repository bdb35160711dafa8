internal import CKVM

/// What `KVM_CHECK_EXTENSION` can be asked (KVM API, section 8 and the requests that name them).
public enum Capability: String, CaseIterable, Sendable {
    case irqchip = "KVM_CAP_IRQCHIP"
    case userMemory = "KVM_CAP_USER_MEMORY"
    case recommendedVCPUs = "KVM_CAP_NR_VCPUS"
    case memslots = "KVM_CAP_NR_MEMSLOTS"
    case maximumVCPUs = "KVM_CAP_MAX_VCPUS"
    case signalMSI = "KVM_CAP_SIGNAL_MSI"
    case readOnlyMemory = "KVM_CAP_READONLY_MEM"
    case immediateExit = "KVM_CAP_IMMEDIATE_EXIT"
    case multipleAddressSpaces = "KVM_CAP_MULTI_ADDRESS_SPACE"

    /// The name in `<linux/kvm.h>`.
    public var name: String { rawValue }

    private var number: Int32 {
        switch self {
        case .irqchip: KVM_CAP_IRQCHIP
        case .userMemory: KVM_CAP_USER_MEMORY
        case .recommendedVCPUs: KVM_CAP_NR_VCPUS
        case .memslots: KVM_CAP_NR_MEMSLOTS
        case .maximumVCPUs: KVM_CAP_MAX_VCPUS
        case .signalMSI: KVM_CAP_SIGNAL_MSI
        case .readOnlyMemory: KVM_CAP_READONLY_MEM
        case .immediateExit: KVM_CAP_IMMEDIATE_EXIT
        case .multipleAddressSpaces: KVM_CAP_MULTI_ADDRESS_SPACE
        }
    }

    /// The value that KVM gives, for the host or for one machine; 0 where the capability is missing.
    func value(of descriptor: borrowing Descriptor) -> Int {
        Int(max(0, ckvm_check_extension(descriptor.number, Int(number))))
    }
}
