/// The addresses of interrupt controllers, and the lines that reach the I/O APIC.
public enum BoardInterrupts {
    /// The address of each processor's local APIC.
    public static let localAPIC: UInt32 = 0xfee0_0000
    /// The address of the I/O APIC, whose pins are lines 0 to 23.
    public static let ioAPIC: UInt32 = 0xfec0_0000
    /// The line of COM1.
    public static let serial: UInt16 = 4
    /// The line of the system control interrupt of ACPI.
    public static let sci: UInt8 = 9

    /// The lines that firmware gives to PCI on a PC.
    private static let pci: [UInt32] = [10, 11, 5, 9]

    /// Returns the line of an interrupt pin (0 is INTA) of a device on a root bus. Behind bridges, the numbers of the devices on the way are
    /// added up (PCI-to-PCI Bridge Architecture Specification 1.2, 9.1).
    public static func line(ofDevice device: Int, pin: Int) -> UInt32 {
        pci[(device + pin) & 3]
    }
}
