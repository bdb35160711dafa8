/// One leaf of CPUID as a guest sees it, with the fields of `struct kvm_cpuid_entry2` (SDM volume 2A, CPUID).
public struct CPUIDEntry: Sendable {
    public var function: UInt32 = 0
    public var index: UInt32 = 0
    /// `KVM_CPUID_FLAG_*`: bit 0 says that `index` counts.
    public var flags: UInt32 = 0
    public var eax: UInt32 = 0
    public var ebx: UInt32 = 0
    public var ecx: UInt32 = 0
    public var edx: UInt32 = 0
    private var padding: [3 of UInt32] = .init(repeating: 0)
}

extension [CPUIDEntry] {
    /// The first entry of a leaf.
    public func leaf(_ function: UInt32) -> CPUIDEntry? {
        first { $0.function == function }
    }

    /// Bits of a guest-physical address (MAXPHYADDR, leaf 0x80000008); 36 where the leaf is missing, as the SDM has it.
    public var physicalAddressBits: Int {
        leaf(0x8000_0008).map { Int($0.eax & 0xff) } ?? 36
    }

    /// Whether page tables may map 1 GiB at once (leaf 0x80000001, EDX bit 26).
    public var hasGigabytePages: Bool {
        leaf(0x8000_0001).map { $0.edx & (1 << 26) != 0 } ?? false
    }
}
