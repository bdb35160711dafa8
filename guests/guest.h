// The beginning of every guest: the machine's fixed numbers, and macros for the tasks that all guests have. README.md describes
// the machine. This file only names its parts.
//
// Assembly is in Intel syntax, as in the processor manuals (SDM). One rule of this syntax is important: `mov ecx, name` reads
// memory, and `mov ecx, offset name` loads the number itself.

.intel_syntax noprefix

#define LOAD_ADDRESS 0x10000

#define CODE_SELECTOR 0x08

// The 16550 serial port. Its transmitter is always ready, so guests write without asking.
#define SERIAL_DATA 0x3f8
#define SERIAL_INTERRUPT_ENABLE 0x3f9
#define SERIAL_MODEM_CONTROL 0x3fc
#define SERIAL_LINE_STATUS 0x3fd
#define DATA_READY 0x01  // in SERIAL_LINE_STATUS
#define END_OF_INPUT 0x04  // EOT, the character that ends the input

#define DEBUG_CONSOLE 0xe9
#define EXIT_PORT 0xf4

// The local APIC, and its registers that guests use (SDM volume 3, "Advanced Programmable Interrupt Controller").
#define APIC 0xfee00000
#define APIC_END_OF_INTERRUPT 0xb0
#define APIC_SPURIOUS_VECTOR 0xf0
#define APIC_COMMAND_LOW 0x300
#define APIC_COMMAND_HIGH 0x310

// Begins the image NAME in code of 16, 32 or 64 BITS. An image is data to the program that carries it.
.macro begin name, bits
    .section .rodata
    .balign 4096
    .globl cguests_\name\()_start
    .hidden cguests_\name\()_start
cguests_\name\()_start:
start:
    .set bits, \bits
    .code\bits
.endm

// Ends the image NAME and the file. The last section says that the program needs no executable stack.
.macro end name
    .globl cguests_\name\()_end
    .hidden cguests_\name\()_end
cguests_\name\()_end:
    .section .note.GNU-stack, "", @progbits
.endm

// Places a string and defines four symbols. NAME is its label, for code that addresses relative to RIP. NAME_address is its
// address in 32-bit code. NAME_offset is its offset in the image, which in real mode is also the offset in the segment.
// NAME_length is its length.
.macro string name, characters:vararg
\name:
    .ascii \characters
    .set \name\()_address, LOAD_ADDRESS + \name - start
    .set \name\()_offset, \name - start
    .set \name\()_length, . - \name
.endm

// Prints a `string` on the serial console. REP OUTSB is a loop in one instruction. To the monitor it is still one exit for each
// character, because KVM carries it out one character at a time. Clobbers ESI/RSI, ECX and DX.
.macro print name
    .if bits == 64
    lea rsi, [rip + \name]
    .elseif bits == 32
    mov esi, offset \name\()_address
    .else
    mov si, offset \name\()_offset
    .endif
    mov ecx, offset \name\()_length
    mov dx, SERIAL_DATA
    rep outsb
.endm

// Ends the run with STATUS, a number or a byte register. 0 is success. The instruction does not return.
.macro exit status
    mov al, \status
    out EXIT_PORT, al
.endm
