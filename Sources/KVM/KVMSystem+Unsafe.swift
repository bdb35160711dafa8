internal import CKVM

extension KVMSystem {
    /// Returns the CPUID leaves that the host's KVM supports for guests (`KVM_GET_SUPPORTED_CPUID`).
    public func supportedCPUID() throws(KVMError) -> [CPUIDEntry] {
        // 256 is KVM's own limit (KVM_MAX_CPUID_ENTRIES).
        var entries = [CPUIDEntry](repeating: CPUIDEntry(), count: 256)
        // SAFETY: the call fills at most as many entries as the array holds, and an entry has the size of KVM's.
        precondition(MemoryLayout<CPUIDEntry>.stride == MemoryLayout<kvm_cpuid_entry2>.stride)
        let count = unsafe ckvm_supported_cpuid(descriptor.number, &entries, UInt32(entries.count))
        return Array(entries.prefix(Int(try check(count, "KVM_GET_SUPPORTED_CPUID"))))
    }
}
