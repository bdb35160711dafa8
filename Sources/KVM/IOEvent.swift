internal import CKVM

extension VirtualMachine {
    /// Lets KVM take guest writes to an address and count them in `counter`, or lets these writes exit again (`KVM_IOEVENTFD`). The
    /// counter keeps what it has counted.
    ///
    /// KVM refuses an event that it holds already (EEXIST). It counts events at ports and events in memory separately, and refuses
    /// those beyond the thousandth (ENOSPC).
    ///
    /// - Parameters:
    ///   - address: A port or a guest-physical address.
    ///   - size: The width of the writes in bytes: 1, 2, 4 or 8. Writes of another width still exit.
    ///   - match: The only written value that KVM takes, or nil if KVM takes any value.
    /// - Returns: 0, or KVM's errno.
    public func setIOEvent(
        address: UInt64, isPort: Bool, size: UInt32, match: UInt64?, counter: borrowing EventCounter, isTaken: Bool
    ) -> Int32 {
        -ckvm_set_ioeventfd(
            descriptor.number, counter.descriptor.number, address, size, isPort, match != nil, match ?? 0, isTaken)
    }
}
