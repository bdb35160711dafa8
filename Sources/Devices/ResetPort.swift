/// A port through which guests reset a PC.
public enum ResetPort: Device {
    /// The command port of the keyboard controller (8042). The command 0xfe pulses the line that resets the processor. There is no
    /// keyboard. Reads give all ones, as if there were no controller, except for bit 1: the controller can always take a command.
    case keyboardController
    /// The reset control register of the PCI host bridge. A write with bit 2 set resets the processor.
    case resetControl

    /// The number of ports.
    public static let size: UInt64 = 1

    private static let inputBufferFull: UInt64 = 1 << 1

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        switch self {
        case .keyboardController: DeviceReply(width.allOnes & ~Self.inputBufferFull)
        case .resetControl: DeviceReply(0)
        }
    }

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = DeviceEffects.none
        switch self {
        case .keyboardController: effects.resets = value == 0xfe
        case .resetControl: effects.resets = value & 1 << 2 != 0
        }
        return effects
    }
}
