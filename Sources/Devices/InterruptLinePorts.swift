/// One port for each interrupt line. A write of 0 lowers the line, a write of another value raises it.
public struct InterruptLinePorts: Device {
    /// The number of ports: one for each pin of an I/O APIC.
    public static let size: UInt64 = 24

    /// Creates the ports.
    public init() {}

    public func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        guard offset < Self.size else { return .none }
        return DeviceEffects(line: InterruptLine(irq: UInt8(offset), isRaised: width.mask(value) != 0))
    }
}
