/// The first port of each device of the board.
public enum BoardPorts {
    /// The scratch registers of test kernels. A write to the first one marks a phase.
    public static let testRegisters: UInt64 = 0xe0
    /// The port that takes the address of a page to be flushed.
    public static let flush: UInt64 = 0xe4
    /// The command port of the keyboard controller, which resets the machine.
    public static let keyboardController: UInt64 = 0x64
    /// The reset control register, between the bytes of CONFIG_ADDRESS.
    public static let resetControl: UInt64 = 0xcf9
    /// The debug console of Bochs and QEMU.
    public static let debugConsole: UInt64 = 0xe9
    /// The port that ends the run with the value that is written to it.
    public static let exit: UInt64 = 0xf4
    /// The port that ends the run with twice the value that is written to it and one.
    public static let debugExit: UInt64 = 0x501
    /// The serial port COM1.
    public static let serial: UInt64 = 0x3f8
    /// The selector of fw_cfg, with its data port behind it.
    public static let firmwareConfiguration: UInt64 = 0x510
    /// The sleep control register of hardware-reduced ACPI, with the sleep status register behind it, and the type of sleep that switches
    /// the machine off.
    public static let sleepControl: UInt64 = 0x600
    public static let sleepTypeOff: UInt8 = 5
    /// The other registers of ACPI: events, control and timer.
    public static let powerEvents: UInt64 = 0x604
    public static let powerControl: UInt64 = 0x608
    public static let powerTimer: UInt64 = 0x60c
    /// CONFIG_ADDRESS at 0xcf8 and CONFIG_DATA at 0xcfc (PCI 3.0, 3.2.2.3.2).
    public static let configuration: ClosedRange<UInt64> = 0xcf8...0xcff
    /// The ports of interrupt lines 0 to 23.
    public static let interruptLines: UInt64 = 0x2000

    /// I/O BARs answer from this port on. Below it lie the board's ports, which no BAR hides.
    public static let firstOfBARs: UInt64 = 0x1000
    /// The ports at which I/O BARs are placed.
    public static let aperture: ClosedRange<UInt16> = 0xc000...0xffff
}
