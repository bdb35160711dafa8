/// The power registers of ACPI: those of hardware-reduced ACPI, and those of full ACPI (ACPI 6.5, 4.8.3).
///
/// The machine is either on or off, and has no other power state. No event ever happens, so the device never raises the system
/// control interrupt (SCI).
public struct PowerPorts: Device {
    /// The number of ports.
    public static let size: UInt64 = 16

    /// The type of sleep that switches the machine off.
    private let off: UInt64
    private let start = SuspendingClock.now
    private var enabledEvents: UInt64 = 0

    /// Creates the registers. `off` is the type of sleep that switches the machine off.
    public init(off: UInt8) {
        self.off = UInt64(off)
    }

    public func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        switch offset {
        case 6: DeviceReply(enabledEvents)
        // The control register. The bit SCI_EN says that the system is always in ACPI mode.
        case 8: DeviceReply(1)
        case 12: DeviceReply(UInt64(ticks))
        default: DeviceReply(0)
        }
    }

    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        var effects = DeviceEffects.none
        switch offset {
        // The sleep control register (0) and the control register (8). SLP_EN starts a sleep, and the three bits below it are its
        // type (SLP_TYP).
        case 0: effects.powersOff = value & 1 << 5 != 0 && value >> 2 & 7 == off
        case 8: effects.powersOff = value & 1 << 13 != 0 && value >> 10 & 7 == off
        case 6: enabledEvents = value & 0xffff
        default: break
        }
        return effects
    }

    /// The power management timer. It counts 3,579,545 times a second.
    private var ticks: UInt32 {
        let time = (SuspendingClock.now - start).components
        return UInt32(truncatingIfNeeded: time.seconds &* 3_579_545 &+ time.attoseconds / 279_365_114_840)
    }
}
