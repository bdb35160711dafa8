/// The addresses of the interrupt controllers, and the interrupt lines of the board's devices.
public enum BoardInterrupts {
    /// The address of each processor's local APIC.
    public static let localAPIC: UInt32 = 0xfee0_0000
    /// The address of the I/O APIC. Its pins are the interrupt lines.
    public static let ioAPIC: UInt32 = 0xfec0_0000
    /// The interrupt line of COM1.
    public static let serial: UInt16 = 4
    /// The interrupt line of ACPI's system control interrupt (SCI).
    public static let sci: UInt8 = 9

    /// The lines that a PC's firmware gives to PCI interrupts. The sum of a device number and a pin chooses one of the four, in
    /// turn.
    private static let pci: [UInt32] = [10, 11, 5, 9]

    /// Returns the interrupt line of a PCI function's interrupt pin.
    ///
    /// - Parameters:
    ///   - device: The function's device number, plus those of all bridges between it and the root bus (PCI-to-PCI Bridge
    ///     Architecture Specification 1.2, 9.1).
    ///   - pin: The interrupt pin: 0 for INTA# to 3 for INTD#.
    public static func line(ofDevice device: Int, pin: Int) -> UInt32 {
        pci[(device + pin) & 3]
    }
}
