/// What sits on a bus and answers the guest.
///
/// A device belongs to one machine, whose lock guards it: it is called by one thread at a time and need not be
/// `Sendable`. It states what it wants as `DeviceEffects` and never calls back into its bus, the slot table or KVM.
///
/// A guest chooses every argument, so no device may trap on one.
public protocol Device: AnyObject {
    /// Answers a read at `offset` bytes into the device's range.
    func read(at offset: UInt64, width: AccessWidth) -> DeviceReply

    /// Takes a write of the low `width` bytes of `value` at `offset` bytes into the device's range.
    func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects
}
