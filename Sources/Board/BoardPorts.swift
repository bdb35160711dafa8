/// The first port of each of the board's devices.
public enum BoardPorts {
    /// The four scratch registers for test kernels. A byte written to the first one marks the beginning of a phase.
    public static let testRegisters: UInt64 = 0xe0
    /// The port to which test kernels write the address of a page whose translations are to be flushed.
    public static let flush: UInt64 = 0xe4
    /// The command port of the keyboard controller (8042), through which guests reset the machine.
    public static let keyboardController: UInt64 = 0x64
    /// The reset control register of the PCI host bridge. Its port is the second of the four ports of CONFIG_ADDRESS.
    public static let resetControl: UInt64 = 0xcf9
    /// The debug console of Bochs and QEMU.
    public static let debugConsole: UInt64 = 0xe9
    /// The port that ends the run. The value that the guest writes is the exit status.
    public static let exit: UInt64 = 0xf4
    /// The port that ends the run like QEMU's `isa-debug-exit`: the exit status is twice the written value, plus one.
    public static let debugExit: UInt64 = 0x501
    /// The serial port COM1.
    public static let serial: UInt64 = 0x3f8
    /// The selector port of QEMU's firmware configuration device (fw_cfg). Its data port is the next one.
    public static let firmwareConfiguration: UInt64 = 0x510
    /// The sleep control register of hardware-reduced ACPI. The sleep status register is the next port.
    public static let sleepControl: UInt64 = 0x600
    /// The type of sleep (SLP_TYP) that switches the machine off.
    public static let sleepTypeOff: UInt8 = 5
    /// The event registers of full ACPI (PM1): status, and enable two bytes above.
    public static let powerEvents: UInt64 = 0x604
    /// The control register of full ACPI (PM1).
    public static let powerControl: UInt64 = 0x608
    /// The power management timer of full ACPI.
    public static let powerTimer: UInt64 = 0x60c
    /// CONFIG_ADDRESS at 0xcf8 and CONFIG_DATA at 0xcfc (PCI 3.0, 3.2.2.3.2).
    public static let configuration: ClosedRange<UInt64> = 0xcf8...0xcff
    /// The ports through which a guest raises interrupt lines 0 to 23, one port for each line.
    public static let interruptLines: UInt64 = 0x2000

    /// The first port at which an I/O BAR is decoded. Below it only the board's devices answer, whatever a guest writes to a BAR.
    public static let firstBARPort: UInt64 = 0x1000
    /// The ports in which the monitor places I/O BARs.
    public static let aperture: ClosedRange<UInt16> = 0xc000...0xffff
}
