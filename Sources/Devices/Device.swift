/// A device of the board, which answers the guest at ports or in memory.
///
/// A device is a value. Its machine keeps it behind a lock of its own, so that one thread at a time calls it and no other device
/// waits for it. It returns what it wants as `DeviceEffects` and never calls its bus, the machine or KVM.
///
/// A guest chooses every argument, so no device may trap on one.
public protocol Device: Sendable {
    /// Answers a read at `offset` bytes into the device's range. Bits of the reply above the width mean nothing.
    mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply

    /// Takes a write of the low `width` bytes of `value` at `offset` bytes into the device's range.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects

    /// Takes what the user typed. No bytes mean the end of the input. The machine calls this only after `DeviceEffects.wantsInput`
    /// was set.
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
