/// What sits on a bus and answers the guest.
///
/// A device is a value. Its machine keeps it behind a lock of its own, so that it is called by one thread at a time and no
/// other device waits for it. It states what it wants as `DeviceEffects` and never calls back into its bus, the slot table or
/// KVM.
///
/// A guest chooses every argument, so no device may trap on one.
public protocol Device: Sendable {
    /// Answers a read at `offset` bytes into the device's range. Bits above the width mean nothing.
    mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply

    /// Takes a write of the low `width` bytes of `value` at `offset` bytes into the device's range.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects

    /// Takes what the user typed; no bytes mean the end of the input. Called only after an effect said that the device
    /// `wantsInput`.
    mutating func receive(_ input: [UInt8]) -> DeviceEffects
}

extension Device {
    /// Gives all ones, as where there is no device.
    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(width.allOnes)
    }

    /// Drops the input.
    public mutating func receive(_ input: [UInt8]) -> DeviceEffects { .none }
}
