/// One leaf of CPUID as a guest finds it. The fields are those of `struct kvm_cpuid_entry2` (SDM volume 2A, CPUID).
public struct CPUIDEntry: Sendable {
    /// The leaf: EAX before the CPUID instruction.
    public var function: UInt32 = 0
    /// The subleaf: ECX before the CPUID instruction.
    public var index: UInt32 = 0
    /// `KVM_CPUID_FLAG_*`: bit 0 says that `index` is significant.
    public var flags: UInt32 = 0
    /// The registers after the CPUID instruction.
    public var eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0
    private var padding: [3 of UInt32] = .init(repeating: 0)
}

extension [CPUIDEntry] {
    /// Returns the first entry of a leaf, or nil if there is none.
    public func leaf(_ function: UInt32) -> CPUIDEntry? {
        first { $0.function == function }
    }

    /// The number of bits of a guest-physical address (MAXPHYADDR, leaf 0x80000008). Without that leaf it is 36, as in the SDM.
    public var physicalAddressBits: Int {
        leaf(0x8000_0008).map { Int($0.eax & 0xff) } ?? 36
    }

    /// Whether a page-table entry can map 1 GiB (leaf 0x80000001, EDX bit 26).
    public var hasGigabytePages: Bool {
        leaf(0x8000_0001).map { $0.edx & (1 << 26) != 0 } ?? false
    }
}
