/// A port to which a guest writes the number of the phase that it begins, so that what it costs can be told apart.
public final class PhasePort: Device {
    /// Ports that it takes.
    public static let size: UInt64 = 1

    public init() {}

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        DeviceReply(width.allOnes)
    }

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        DeviceEffects(phase: UInt8(truncatingIfNeeded: value))
    }
}
