/// The power registers of ACPI: those of its hardware-reduced kind, and those from before (ACPI 6.5, 4.8.3).
///
/// The only state besides on is off. No event ever happens, so the interrupt (SCI) is never raised.
public struct PowerPorts: Device {
    /// Ports that it takes.
    public static let size: UInt64 = 16

    /// The type of sleep that switches the machine off.
    private let off: UInt64
    private let start = SuspendingClock.now
    private var enabledEvents: UInt64 = 0

    /// Creates the registers of a machine that is switched off by a type of sleep.
    public init(off: UInt8) {
        self.off = UInt64(off)
    }

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        switch offset {
        case 6: DeviceReply(enabledEvents)
        // The control register: the system is always in the mode of ACPI (SCI_EN).
        case 8: DeviceReply(1)
        case 12: DeviceReply(UInt64(ticks))
        default: DeviceReply(0)
        }
    }

    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = DeviceEffects.none
        switch offset {
        // The sleep control register and the control register: SLP_EN, and SLP_TYP in the three bits below it.
        case 0: effects.powersOff = value & 1 << 5 != 0 && value >> 2 & 7 == off
        case 8: effects.powersOff = value & 1 << 13 != 0 && value >> 10 & 7 == off
        case 6: enabledEvents = value & 0xffff
        default: break
        }
        return effects
    }

    /// The PM timer, which counts 3,579,545 times a second.
    private var ticks: UInt32 {
        let time = (SuspendingClock.now - start).components
        return UInt32(truncatingIfNeeded: time.seconds &* 3_579_545 &+ time.attoseconds / 279_365_114_840)
    }
}
