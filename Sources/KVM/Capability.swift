internal import CKVM

/// What `KVM_CHECK_EXTENSION` can be asked (KVM API, section 8 and the requests that name them).
public enum Capability: Int, CaseIterable, Sendable {
    case irqchip
    case userMemory
    case recommendedVCPUs
    case memslots
    case maximumVCPUs
    case signalMSI
    case readOnlyMemory
    case immediateExit
    case multipleAddressSpaces

    /// The name in `<linux/kvm.h>`.
    public var name: String {
        switch self {
        case .irqchip: "KVM_CAP_IRQCHIP"
        case .userMemory: "KVM_CAP_USER_MEMORY"
        case .recommendedVCPUs: "KVM_CAP_NR_VCPUS"
        case .memslots: "KVM_CAP_NR_MEMSLOTS"
        case .maximumVCPUs: "KVM_CAP_MAX_VCPUS"
        case .signalMSI: "KVM_CAP_SIGNAL_MSI"
        case .readOnlyMemory: "KVM_CAP_READONLY_MEM"
        case .immediateExit: "KVM_CAP_IMMEDIATE_EXIT"
        case .multipleAddressSpaces: "KVM_CAP_MULTI_ADDRESS_SPACE"
        }
    }

    var number: Int {
        switch self {
        case .irqchip: CKVM_CAP_IRQCHIP
        case .userMemory: CKVM_CAP_USER_MEMORY
        case .recommendedVCPUs: CKVM_CAP_NR_VCPUS
        case .memslots: CKVM_CAP_NR_MEMSLOTS
        case .maximumVCPUs: CKVM_CAP_MAX_VCPUS
        case .signalMSI: CKVM_CAP_SIGNAL_MSI
        case .readOnlyMemory: CKVM_CAP_READONLY_MEM
        case .immediateExit: CKVM_CAP_IMMEDIATE_EXIT
        case .multipleAddressSpaces: CKVM_CAP_MULTI_ADDRESS_SPACE
        }
    }
}
