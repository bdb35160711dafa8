// The guests that Swiftlet and its peers boot when they are compared. They are ROM images of 64 KiB. A PC begins them at their
// reset vector, and a monitor begins them at their first byte if it is told so.
//
// `peer_hello` prints a byte. `peer_bars` does the work of firmware for PCI: it finds all functions through port 0xcf8, also
// behind each bridge on bus 0. It sizes and places their ROMs and their BARs of a page or more, and turns decode on. Then it
// prints a byte.

.intel_syntax noprefix

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONSOLE 0xe9
#define EXIT 0xf4
#define STACK 0x7000

// The addresses of BARs: bus 0 first, then the buses behind the bridges. Each bus has a window of the same size, a power of
// two.
#define FIRST_WINDOW 0xd0000000
#define WINDOW_BITS 24

.macro image name
    .section .rodata
    .code16
    .balign 16
    .globl \name
    .hidden \name
\name:
.endm

.macro end_image name, byte
    mov al, \byte
    out CONSOLE, al
    mov al, 0
    out EXIT, al
0:  hlt
    jmp 0b
    .org \name + 0xfff0, 0xf4
    .byte 0xea, 0x00, 0x00, 0x00, 0xf0  // jmp 0xf000:0
    .org \name + 0x10000, 0xf4
.endm

// Selects the configuration register NUMBER of the function at edi. Afterwards dx is the port for its data.
.macro select number
    mov eax, edi
    mov al, \number
    mov dx, CONFIG_ADDRESS
    out dx, eax
    mov dx, CONFIG_DATA
.endm

image peer_hello
end_image peer_hello, 'H'

// edi is the function's configuration address, esi its header type, and ebp the next free address of its bus. bh is the bus,
// and bl the number of bridges found so far. cl is the BAR's register, and ch its kind.
image peer_bars
    xor ebx, ebx
    mov ss, bx
    mov sp, STACK
bus:
    movzx edi, bh
    mov ebp, edi
    shl ebp, WINDOW_BITS
    add ebp, FIRST_WINDOW
    shl edi, 16
    or edi, 0x80000000
function:
    select 0
    in eax, dx
    cmp ax, 0xffff
    je absent
    select 0x0c
    in eax, dx
    shr eax, 16
    mov esi, eax
    select 4
    in eax, dx
    and eax, 0xfff8
    out dx, eax  // decode off
    test si, 0x7f
    jnz bridge
    mov cl, 0x10
bar:
    select cl
    mov eax, 0xffffffff
    out dx, eax
    in eax, dx
    test eax, eax
    jz next_bar
    test al, 1
    jnz next_bar  // a BAR of ports
    mov ch, al
    and al, 0xf0
    test ah, 8
    jnz small  // less than a page: the BAR stays at the end of the address space
    call place
    out dx, eax
    test ch, 4
    jz next_bar
    add cl, 4
    select cl
    xor eax, eax
    out dx, eax  // the upper half of a 64-bit BAR
    jmp next_bar
small:
    test ch, 4
    jz next_bar
    add cl, 4
next_bar:
    add cl, 4
    cmp cl, 0x28
    jb bar
    select 0x30
    mov eax, 0xfffff800
    out dx, eax
    in eax, dx
    and eax, 0xfffff800
    jz decode_on
    call place
    or al, 1
    out dx, eax
decode_on:
    select 4
    in eax, dx
    and eax, 0xffff
    or al, 2
    out dx, eax
next_function:
    add edi, 0x100
    test edi, 0x700
    jz end_of_device
    test si, 0x80
    jnz function
    and edi, 0xfffff800  // function 0 says that there are no others
    add edi, 0x800
end_of_device:
    test edi, 0xffff
    jnz function
    inc bh
    cmp bh, bl
    jbe bus
    jmp done

absent:
    test edi, 0x700
    jnz next_function
    xor esi, esi  // without a function 0 the device has no others
    jmp next_function

// Sets up a bridge: the next bus is behind it, with a window of addresses that are not prefetchable.
bridge:
    inc bl
    select 0x18
    movzx eax, bl
    imul eax, eax, 0x10100  // primary 0, secondary and subordinate the new bus
    out dx, eax
    select 0x20
    movzx eax, bl
    shl eax, WINDOW_BITS - 16
    imul eax, eax, 0x10001
    add eax, (FIRST_WINDOW + (1 << WINDOW_BITS) - 0x100000) | FIRST_WINDOW >> 16
    out dx, eax
    select 0x24
    mov eax, 0xfff0
    out dx, eax
    select 4
    in eax, dx
    and eax, 0xffff
    or al, 6
    out dx, eax
    jmp next_function

// Turns the writable bits of a size in eax into a place of that size. ebp moves to the address after it.
place:
    sub ebp, eax
    dec ebp
    and ebp, eax
    neg eax
    add ebp, eax
    neg eax
    add eax, ebp
    ret

done:
end_image peer_bars, 'R'

    .section .note.GNU-stack, "", @progbits
