// A kernel for multiboot 1 in a 64-bit ELF file. It starts in 32-bit protected mode, as all multiboot kernels do, and switches
// to long mode by itself, with its own page tables.

#define GUEST_MODE "64-bit long"
#include "guest.h"
#include "multiboot.h"

// Switches to long mode (SDM volume 3, "Initializing IA-32e Mode"). Clobbers EAX, ECX and EDX.
.macro enable_long_mode
    mov eax, 0x20  // PAE
    mov cr4, eax
    mov eax, offset tables_at
    mov cr3, eax
    mov ecx, 0xc0000080  // EFER
    rdmsr
    or eax, 0x100  // LME
    wrmsr
    mov eax, cr0
    or eax, 0x80000000  // PG
    mov cr0, eax
.endm

begin multiboot, 32
    // The ELF header, and one program header for the whole file and 64 KiB after it.
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1
    .skip 9
    .short 2, 62  // an executable for x86-64
    .long 1
    .quad entry_at, 64, 0
    .long 0
    .short 64, 56, 1, 64, 0, 0
    .long 1, 7  // PT_LOAD; readable, writable and executable
    .quad 0, LOAD_ADDRESS, LOAD_ADDRESS, image_length, image_length + 0x10000, 0x1000

    .long 0x1badb002, 0, -0x1badb002

entry:
    address entry
    cmp eax, BOOT_MAGIC
    jne failed
    mov ebp, ebx
    lgdt [gdt_pointer_at]
    enable_long_mode
    .byte 0xea  // jmp CODE64_SELECTOR:first
    .long first_at
    .short CODE64_SELECTOR
failed:
    exit 1

others:
    load_segments
    enable_long_mode
    .byte 0xea
    .long others64_at
    .short CODE64_SELECTOR

    .code64
    .set bits, 64
first:
    address first
    load_segments
    mov esp, offset stack_at
    kernel
others64:
    address others64
    arrive

    kernel_data
    address gdt_pointer

    // Page tables for the first GiB and for the GiB with the APIC, in pages of 2 MiB.
    .balign 4096
tables:
    address tables
    .quad tables_at + 0x1003
    .skip 4096 - 8
    .quad tables_at + 0x2003, 0, 0, tables_at + 0x3003
    .skip 4096 - 32
    .set page, 0x83
    .rept 512
    .quad page
    .set page, page + 0x200000
    .endr
    .set page, 0xc0000083
    .rept 512
    .quad page
    .set page, page + 0x200000
    .endr
    .set image_length, . - start
    .set stack_at, LOAD_ADDRESS + image_length + 0x10000
end multiboot
