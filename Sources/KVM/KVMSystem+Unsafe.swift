internal import CKVM

extension KVMSystem {
    /// The CPUID leaves that this host's KVM supports for guests (`KVM_GET_SUPPORTED_CPUID`).
    public func supportedCPUID() throws(KVMError) -> [CPUIDEntry] {
        // 256 is KVM's own limit (KVM_MAX_CPUID_ENTRIES).
        var entries = [kvm_cpuid_entry2](repeating: kvm_cpuid_entry2(), count: 256)
        // SAFETY: the call fills at most as many entries as the array holds.
        let count = unsafe ckvm_supported_cpuid(descriptor.number, &entries, UInt32(entries.count))
        return entries.prefix(Int(try check(count, "KVM_GET_SUPPORTED_CPUID"))).map { entry in
            CPUIDEntry(
                function: entry.function, index: entry.index, flags: entry.flags,
                eax: entry.eax, ebx: entry.ebx, ecx: entry.ecx, edx: entry.edx)
        }
    }
}
