/// Ends the run: the guest writes its status here.
public struct ExitPort: Device {
    /// Ports that it takes, so that a doubleword write finds it too.
    public static let size: UInt64 = 4

    public init() {}

    /// Ends the run with the low 32 bits of `value`; the ports above the first take nothing.
    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset == 0 else { return .none }
        return DeviceEffects(exitStatus: UInt32(truncatingIfNeeded: width.mask(value)))
    }
}
