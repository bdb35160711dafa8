/// Addresses in low RAM at which a guest finds what the monitor prepared for its start. `guests/README.md` describes them for
/// people who write guests.
public enum BootMemory {
    /// The descriptor table of protected and long mode.
    public static let gdt: UInt64 = 0x500
    /// The first page table of long mode.
    public static let pageTables: UInt64 = 0x1000
    /// The end of the memory for page tables.
    public static let pageTablesEnd: UInt64 = 0x9000
    /// The parameters of a machine with PCI functions.
    public static let parameters: UInt64 = 0x9000
    /// The first stack pointer. The stack grows down from here.
    public static let stackTop: UInt64 = 0x10000
    /// The address at which flat images are loaded and started.
    public static let flatImage: UInt64 = 0x10000

    /// The data area of a PC's firmware.
    public static let biosData: UInt64 = 0x400
    /// The text screen of a PC, which is RAM here.
    public static let textScreen: UInt64 = 0xb8000

    /// The end of conventional memory. A PC has its screen and its ROMs from here to `extended`.
    public static let conventionalEnd: UInt64 = 640 << 10
    /// The address at which a PC has the ROMs of its firmware. Boot information lies from here on if there is room.
    public static let firmwareROMs: UInt64 = 0xe0000
    /// The address at which a PC's firmware starts, and at which software starts it again to reset the machine.
    public static let firmwareEntry: UInt64 = 0xffff0
    /// The first address of extended memory, where kernels are loaded.
    public static let extended: UInt64 = 1 << 20
}
