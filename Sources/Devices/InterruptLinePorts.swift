/// A port for each interrupt line: a write of anything but 0 raises the line, 0 lowers it.
public struct InterruptLinePorts: Device {
    /// Ports that it takes: the pins of an IOAPIC.
    public static let size: UInt64 = 24

    public init() {}

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset < Self.size else { return .none }
        return DeviceEffects(line: InterruptLine(irq: UInt8(offset), isRaised: width.mask(value) != 0))
    }
}
