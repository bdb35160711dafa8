internal import CKVM

extension VirtualMachine {
    /// The pages written since the last call, a bit each from the start of the slot, and clears them
    /// (`KVM_GET_DIRTY_LOG`).
    ///
    /// The slot has `pages` pages and logs them; 0 or KVM's errno is returned.
    public func getDirtyLog(slot: UInt32, pages: Int, into bitmap: inout [UInt64]) -> Int32 {
        let words = (pages + 63) / 64
        if bitmap.count < words {
            bitmap = [UInt64](repeating: 0, count: words)
        }
        // SAFETY: KVM writes a bit a page, rounded up to 64, and the array is at least as long.
        return unsafe -ckvm_get_dirty_log(descriptor.number, slot, &bitmap)
    }

    /// The redirection table of the IOAPIC in the kernel, an entry for each line (82093AA data sheet, 3.2.4). It is empty if there is no
    /// such controller.
    public func redirectionTable() -> [UInt64] {
        var entries = [UInt64](repeating: 0, count: Int(KVM_IOAPIC_NUM_PINS))
        // SAFETY: the call writes so many entries.
        return unsafe ckvm_redirection_table(descriptor.number, &entries) >= 0 ? entries : []
    }
}
