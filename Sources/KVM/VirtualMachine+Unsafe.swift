internal import CKVM

extension VirtualMachine {
    /// Gets the dirty log of a slot, and clears it in KVM (`KVM_GET_DIRTY_LOG`).
    ///
    /// - Parameters:
    ///   - slot: The id of a slot that logs.
    ///   - pages: The number of pages in the slot.
    ///   - bitmap: Gets one bit for each page of the slot, in order. The bit is set if the guest has written the page since the
    ///     last call. The bitmap grows if it is too short.
    /// - Returns: 0, or KVM's errno.
    public func getDirtyLog(slot: UInt32, pages: Int, into bitmap: inout [UInt64]) -> Int32 {
        let words = (pages + 63) / 64
        if bitmap.count < words {
            bitmap = [UInt64](repeating: 0, count: words)
        }
        // SAFETY: KVM writes one bit for each page, rounded up to 64 bits, and the array is at least as long.
        return unsafe -ckvm_get_dirty_log(descriptor.number, slot, &bitmap)
    }

    /// Returns the redirection table of the in-kernel I/O APIC, an entry for each line (82093AA data sheet, 3.2.4). Returns an
    /// empty array if the machine has no such controller.
    public func redirectionTable() -> [UInt64] {
        var entries = [UInt64](repeating: 0, count: Int(KVM_IOAPIC_NUM_PINS))
        // SAFETY: the call writes as many entries as the array has.
        return unsafe ckvm_redirection_table(descriptor.number, &entries) >= 0 ? entries : []
    }
}
