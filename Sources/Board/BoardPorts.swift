/// The I/O ports that the board's own devices have, each by its first port.
public enum BoardPorts {
    /// The scratch registers of test kernels; a write to the first one marks a phase.
    public static let testRegisters: UInt64 = 0xe0
    public static let flush: UInt64 = 0xe4
    public static let debugConsole: UInt64 = 0xe9
    public static let exit: UInt64 = 0xf4
    /// COM1.
    public static let serial: UInt64 = 0x3f8
    public static let firmwareConfiguration: UInt64 = 0x510
    /// CONFIG_ADDRESS at 0xcf8 and CONFIG_DATA at 0xcfc (PCI 3.0, 3.2.2.3.2).
    public static let configuration: ClosedRange<UInt64> = 0xcf8...0xcff
    public static let interruptLines: UInt64 = 0x2000

    /// I/O BARs answer from this port on. Below it lie the board's ports, which no BAR hides.
    public static let firstOfBARs: UInt64 = 0x1000
    /// Where I/O BARs are placed.
    public static let aperture: ClosedRange<UInt16> = 0xc000...0xffff
}
