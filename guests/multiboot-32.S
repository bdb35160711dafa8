// A kernel for multiboot 1 in a flat file. Any flat file can be one: its header has the address fields, so it needs no ELF. It
// stays in 32-bit protected mode.

#define GUEST_MODE "32-bit protected"
#include "guest.h"
#include "multiboot.h"

begin multiboot_32, 32
    .set FLAGS, 0x10000
header:
    .long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
    .long LOAD_ADDRESS, LOAD_ADDRESS  // the address of the header, and that of the loaded file
    .long 0  // the end of the loaded part: 0 for the end of the file
    .long bss_end_at
    .long entry_at

entry:
    address entry
    cmp eax, BOOT_MAGIC
    jne failed
    mov esp, offset bss_end_at
    mov ebp, ebx
    kernel
failed:
    exit 1

others:
    load_segments
    arrive

    kernel_data
    .set bss_end_at, LOAD_ADDRESS + 0x10000
end multiboot_32
