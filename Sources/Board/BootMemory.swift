/// Addresses in low RAM at which a guest finds what the monitor prepared for its start. `guests/README.md` describes them for
/// people who write guests.
public enum BootMemory {
    public static let gdt: UInt64 = 0x500
    public static let pageTables: UInt64 = 0x1000
    public static let pageTablesEnd: UInt64 = 0x9000
    /// The parameters of a machine with PCI functions.
    public static let parameters: UInt64 = 0x9000
    public static let stackTop: UInt64 = 0x10000
    /// Where flat images are loaded and started.
    public static let flatImage: UInt64 = 0x10000

    /// The end of conventional memory. A PC has its screen and its ROMs from here to `extended`.
    public static let conventionalEnd: UInt64 = 640 << 10
    /// Where a PC has the ROMs of its firmware, and where boot information goes first.
    public static let firmwareROMs: UInt64 = 0xe0000
    /// The first address of extended memory, where kernels are loaded.
    public static let extended: UInt64 = 1 << 20
}
