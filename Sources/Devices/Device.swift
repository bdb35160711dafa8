/// A device of the board, which answers the guest's accesses to ports or to memory.
///
/// A device is a value. The machine keeps it behind a lock of its own, so that one thread at a time calls the device, and such a
/// call holds up no other device. A device returns what it wants as `DeviceEffects`. It never calls its bus, the machine or KVM.
///
/// The guest chooses every argument, so a device must not trap on any argument.
public protocol Device: Sendable {
    /// Answers a read at `offset` in the device's range. Bits of the reply above the width have no meaning.
    mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply

    /// Takes a write of the low `width` bytes of `value`, at `offset` in the device's range.
    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects

    /// Takes bytes that the user has typed. No bytes mean the end of the input. The machine calls this only after the device has
    /// set `DeviceEffects.wantsInput`.
    mutating func receive(_ input: [UInt8]) -> DeviceEffects
}

extension Device {
    /// Answers with all ones, as if there were no device.
    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(width.allOnes)
    }

    /// Drops the input.
    public mutating func receive(_ input: [UInt8]) -> DeviceEffects { .none }
}
