// The numbers of PCI that `pci` uses, and its record of each function. Sections named here are those of the PCI Local Bus
// Specification 3.0.

// Configuration space (6.1). The 4 KiB of a function lie in the ECAM at its bus, device and function number, shifted left by
// 20, 15 and 12.
#define VENDOR_DEVICE 0x00
#define COMMAND 0x04
#define STATUS 0x06
#define HEADER_TYPE 0x0e
#define BAR0 0x10
#define BARS_END 0x28
#define ROM 0x30
#define CAPABILITIES 0x34

// The registers that a bridge has in the place of the third and later BARs and of the ROM (PCI-to-PCI Bridge Architecture
// Specification 1.2, 3.2).
#define LAYOUT 0x7f  // in HEADER_TYPE: 1 for a bridge
#define BRIDGE_BARS_END 0x18
#define PRIMARY_BUS 0x18
#define SECONDARY_BUS 0x19
#define SUBORDINATE_BUS 0x1a
#define MEMORY_WINDOW 0x20
#define PREFETCHABLE_WINDOW 0x24
#define PREFETCHABLE_BASE 0x28
#define PREFETCHABLE_LIMIT 0x2c
#define MEGABYTE 0x100000
#define BEHIND_BRIDGE 0x202000  // a byte for each bus: whether it is behind a bridge

#define IO_DECODE 0x01  // in COMMAND
#define MEMORY_DECODE 0x02
#define BUS_MASTER 0x04
#define HAS_CAPABILITIES 0x10  // in STATUS
#define MULTIPLE_FUNCTIONS 0x80  // in HEADER_TYPE
#define FUNCTION 0x7000  // in an ECAM address
#define NEXT_FUNCTION 0x1000
#define NEXT_DEVICE 0x8000

#define IS_IO 0x01  // in a BAR
#define IS_64BIT 0x04
#define IS_PREFETCHABLE 0x08
#define IO_FLAGS 0x03
#define MEMORY_FLAGS 0x0f
#define ROM_ENABLE 0x01  // in ROM
#define ROM_FLAGS 0x7ff
#define ROM_SIGNATURE 0xaa55  // the first two bytes of a ROM (6.3.1)

// The MSI-X capability (6.8.2).
#define MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define MSIX_PBA 8
#define MSIX_ENABLE 0x8000  // in MSIX_CONTROL
#define MSIX_FUNCTION_MASK 0x4000
#define MSIX_LAST_VECTOR 0x07ff
#define BIR 7  // in MSIX_TABLE and MSIX_PBA: the number of the BAR. The other bits are an offset in it

#define CONFIG_ADDRESS 0xcf8  // the older way to configuration space, through two ports (3.2.2.3.2)
#define CONFIG_DATA 0xcfc

// The parameters: 64-bit numbers that the monitor puts into memory.
#define PARAMETER_ECAM 0x9000  // the address of configuration space, which is mapped
#define PARAMETER_BUSES 0x9008  // the number of buses that it covers
#define PARAMETER_LOW 0x9010  // the region for 32-bit BARs and ROMs: its start, followed by its end
#define PARAMETER_HIGH 0x9020  // the region for 64-bit BARs, likewise. 0 and 0 if there is none
#define PARAMETER_MAPPED 0x9030  // the end of the addresses that the page tables map
#define PARAMETER_SEGMENT 0x9038  // the number of buses that each segment has
#define END 8  // the offset of the end from the start

// The guest's record of a function: 128 bytes, so that 65,536 functions fit into 8 MiB.
#define RECORDS 0x400000
#define RECORD_SIZE 0x80
#define RECORD_ECAM 0x00  // 32 bits: the offset of its configuration space in the ECAM
#define RECORD_MSIX 0x04  // 16 bits: the offset of its MSI-X capability, 0 if it has none
#define RECORD_LAST_VECTOR 0x06  // 16 bits
#define RECORD_TABLE 0x08  // 32 bits, as in the capability
#define RECORD_PBA 0x0c
#define RECORD_BARS 0x10  // for each BAR: the register or pair of registers with their flags, in 64 bits,
#define BAR_SIZE 8  // followed by the size, which is 0 if there is no BAR, and also for the second half of a pair
#define RECORD_ROM 0x70  // the same for the ROM

// The part of record rbx for the BAR whose register is rcx, an offset in configuration space. Registers are 4 bytes apart,
// these parts 16.
#define THIS_BAR rbx + 4 * rcx + RECORD_BARS - 4 * BAR0
