/// The debug console of Bochs at port 0xe9, which prints what the guest writes there.
public struct DebugConsole: Device {
    /// The number of ports. It is 4, so that the device also gets a doubleword write.
    public static let size: UInt64 = 4

    /// The value of a read: the port's own number, by which a guest recognises the console.
    private static let signature: UInt64 = 0xe9

    /// Creates a console.
    public init() {}

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(offset == 0 ? DebugConsole.signature : width.allOnes)
    }

    /// Prints the low byte of `value`. The ports above the first one ignore writes.
    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset == 0 else { return .none }
        return DeviceEffects(output: UInt8(truncatingIfNeeded: value))
    }
}
