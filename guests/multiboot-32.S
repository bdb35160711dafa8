// A kernel for multiboot 1 as any flat file can be one: its header has the address fields, so there is no ELF around it.
// It stays in 32-bit protected mode.

#define GUEST_MODE "32-bit protected"
#include "guest.h"
#include "multiboot.h"

begin multiboot_32, 32
    .set FLAGS, 0x10000
header:
    .long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
    .long LOAD_ADDRESS, LOAD_ADDRESS  // of the header, and of what is loaded
    .long 0  // the end of that: the file's
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
