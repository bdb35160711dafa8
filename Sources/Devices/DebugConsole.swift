/// The one-port console of Bochs at port 0xe9: what is written there is printed.
public struct DebugConsole: Device {
    /// Ports that it takes, so that a doubleword write finds it too.
    public static let size: UInt64 = 4

    /// Reads give the port's own number; a guest that sees it knows that the console is there.
    private static let signature: UInt64 = 0xe9

    public init() {}

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(offset == 0 ? DebugConsole.signature : width.allOnes)
    }

    /// Outputs the low byte of `value`; the ports above the first take nothing.
    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset == 0 else { return .none }
        return DeviceEffects(output: UInt8(truncatingIfNeeded: value))
    }
}
