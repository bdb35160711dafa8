/// The addresses in low RAM at which a guest finds what the monitor prepared for its start. `guests/README.md` describes them for
/// people who write guests.
public enum BootMemory {
    /// The global descriptor table (GDT) of guests that start in protected or long mode.
    public static let gdt: UInt64 = 0x500
    /// The first page table of guests that start in long mode.
    public static let pageTables: UInt64 = 0x1000
    /// The end of the memory for page tables. If the page directories do not all fit below it, they lie near the end of the RAM
    /// below 3 GiB.
    public static let pageTablesEnd: UInt64 = 0x9000
    /// The parameters that a flat image or plain ELF file finds on a machine with PCI functions.
    public static let parameters: UInt64 = 0x9000
    /// The first stack pointer. The stack grows down from it.
    public static let stackTop: UInt64 = 0x10000
    /// The address at which flat images are loaded and started.
    public static let flatImage: UInt64 = 0x10000

    /// The BIOS data area of a PC.
    public static let biosData: UInt64 = 0x400
    /// The text screen of a PC. In this machine it is plain RAM.
    public static let textScreen: UInt64 = 0xb8000

    /// The end of conventional memory. A PC has its screen and its ROMs between this address and `extended`.
    public static let conventionalEnd: UInt64 = 640 << 10
    /// The address at which a PC has the ROMs of its firmware. Tables and boot information for the guest are placed from this
    /// address up, if there is room.
    public static let firmwareROMs: UInt64 = 0xe0000
    /// The address at which a PC's firmware starts. Software jumps to it in order to reset the machine.
    public static let firmwareEntry: UInt64 = 0xffff0
    /// The first address of extended memory, into which kernels are loaded.
    public static let extended: UInt64 = 1 << 20
}
