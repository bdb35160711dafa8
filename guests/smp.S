// Shows the start of the other processors: the first one sends INIT, and then a SIPI that names the page of a 16-bit
// trampoline. Each processor prints its APIC number.
//
// They start one after the other, because they share the text that they fill in. They stay in real mode: printing takes about
// twenty instructions, and the way to long mode would be as many again. The code that prints is therefore one macro, which is
// assembled twice, for 64 and for 16 bits.
//
// Real hardware needs 10 ms after INIT, and a second SIPI in case the first was lost (SDM volume 3, "MP Initialization
// Protocol"). The second one is sent here too. It must find a running processor and leave it alone. Virtual processors need no
// pause.

#include "guest.h"

#define INIT 0x4500  // interrupt command: delivery mode INIT, level asserted
#define STARTUP 0x4600  // delivery mode SIPI. The low byte is the page in which to start

// Prints "vCPU N is here" on the debug console. N is this processor's APIC number (CPUID leaf 1, EBX bits 31-24). SI is the
// register to address with. TAIL is the address of the end of the line, with space before it for the rest. Digits come lowest
// first, so the line is made from its end towards its beginning. Clobbers A, B, C, D and SI.
.macro say_here si, tail
    mov eax, 1
    cpuid
    shr ebx, 24
    mov eax, ebx
    mov bl, 10
    mov ecx, offset words_length
    lea \si, [\tail]
1:  xor ah, ah
    div bl  // quotient in al, remainder in ah
    add ah, '0'
    dec \si
    mov [\si], ah
    inc ecx
    test al, al
    jnz 1b
    sub \si, 5
    mov dword ptr [\si], 0x55504376  // "vCPU", little-endian
    mov byte ptr [\si + 4], ' '
    mov dx, DEBUG_CONSOLE
    rep outsb
.endm

begin smp, 64
    mov r12d, edx  // the number of virtual processors
    say_here rsi, rip + tail

    mov edi, APIC
    mov dword ptr [rdi + APIC_SPURIOUS_VECTOR], 0x1ff  // enabled
    lea r14, [rip + trampoline]
    shr r14, 12
    or r14d, STARTUP
    mov r13d, 1  // the next processor to start, and the number of those that are here
next:
    cmp r13d, r12d
    jae done
    mov eax, r13d
    shl eax, 24
    mov [rdi + APIC_COMMAND_HIGH], eax  // the destination; a write to the low half sends
    mov dword ptr [rdi + APIC_COMMAND_LOW], INIT
    mov [rdi + APIC_COMMAND_LOW], r14d
    mov [rdi + APIC_COMMAND_LOW], r14d

    inc r13d
waiting:
    pause
    cmp [rip + here], r13d
    jb waiting
    jmp next

done:
    exit 0

// The code with which the others start, at offset 0x1000 of the image: in real mode, with CS = page * 256 and IP = 0.
    .balign 4096
trampoline:
    .code16
    mov ax, cs
    mov ds, ax
    say_here si, tail_offset
    lock inc dword ptr [here_offset]
2:  cli
    hlt
    jmp 2b

here:
    .long 1  // the number of processors that have printed their lines
    .skip 8  // "vCPU " and three digits
tail:
    .ascii " is here\n"
    .set words_length, 5 + . - tail  // the line without its digits
    .set tail_offset, tail - trampoline
    .set here_offset, here - trampoline
end smp
