internal import CKVM

extension VirtualMachine {
    /// Lets KVM take guest writes to an address and signal `counter`, or lets them exit again (`KVM_IOEVENTFD`). A counter keeps
    /// what it has counted.
    ///
    /// KVM refuses an event that it has already (EEXIST), and more than 1000 of ports or of memory (ENOSPC).
    ///
    /// - Parameters:
    ///   - address: a port, or a guest-physical address.
    ///   - size: bytes of a write: 1, 2, 4 or 8; others exit as ever.
    ///   - match: the only value that is taken, or nil for any.
    /// - Returns: 0 or KVM's errno.
    public func setIOEvent(
        address: UInt64, isPort: Bool, size: UInt32, match: UInt64?, counter: borrowing EventCounter, isTaken: Bool
    ) -> Int32 {
        -ckvm_set_ioeventfd(
            descriptor.number, counter.descriptor.number, address, size, isPort, match != nil, match ?? 0, isTaken)
    }
}
