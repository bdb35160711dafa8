// Shows the whole way of an interrupt: serial port, IOAPIC pin 4, local APIC, IDT, handler, end of interrupt.
//
// The handler only ends its interrupt. Its purpose is to wake the processor. The main loop empties the port with interrupts
// off, and then sleeps by `sti; hlt`. STI takes effect only after the instruction that follows it, so a byte that arrives
// between the last look and the sleep still wakes the processor. The line is edge-triggered, as ISA lines are. The loop looks
// until the port is empty, because a port that was not emptied gives no further edge.

#include "guest.h"

#define VECTOR 0x20  // the first vector that is not reserved for exceptions
#define PIN 4  // of the first serial port

#define IOAPIC_SELECT 0xfec00000
#define IOAPIC_WINDOW 0x10  // from IOAPIC_SELECT
#define REDIRECTION_LOW (0x10 + 2 * PIN)
#define REDIRECTION_HIGH (0x11 + 2 * PIN)

#define PIC_MASK_1 0x21
#define PIC_MASK_2 0xa1

begin echo_irq, 64
    // The IDT: all gates are absent except the last one. Its handler's address is filled in here, because here it is known.
    lea rax, [rip + handler]
    mov [rip + gate], ax
    shr rax, 16
    mov [rip + gate + 6], ax
    shr rax, 16
    mov [rip + gate + 8], eax
    lea rax, [rip + idt]
    mov [rip + idt_base], rax
    lidt [rip + idt_register]

    // The old interrupt controllers see the same lines. They are masked, because otherwise the byte would interrupt twice.
    mov al, 0xff
    out PIC_MASK_1, al
    out PIC_MASK_2, al

    // The local APIC: enabled (bit 8), with 0xff as the vector of spurious interrupts.
    mov ebx, APIC
    mov dword ptr [rbx + APIC_SPURIOUS_VECTOR], 0x1ff

    // The IOAPIC: the high half sends the pin to the processor with APIC number 0. The low half has this vector, fixed, active
    // high, edge-triggered, unmasked. It is written last, because it arms the pin.
    mov esi, IOAPIC_SELECT
    mov dword ptr [rsi], REDIRECTION_HIGH
    mov dword ptr [rsi + IOAPIC_WINDOW], 0
    mov dword ptr [rsi], REDIRECTION_LOW
    mov dword ptr [rsi + IOAPIC_WINDOW], VECTOR

    // The serial port: an interrupt for received data. On a PC, OUT2 (bit 3) is the gate between this interrupt and the line.
    // Bits 0 and 1 tell the other end that this one is ready.
    mov dx, SERIAL_MODEM_CONTROL
    mov al, 0x0b
    out dx, al
    mov dx, SERIAL_INTERRUPT_ENABLE
    mov al, 1
    out dx, al

look:
    mov dx, SERIAL_LINE_STATUS
    in al, dx
    test al, DATA_READY
    jz sleep

    mov dx, SERIAL_DATA
    in al, dx
    cmp al, END_OF_INPUT
    je done
    out dx, al
    jmp look

sleep:
    sti
    hlt
    cli
    jmp look

done:
    exit 0

handler:  // rbx is the local APIC throughout
    mov dword ptr [rbx + APIC_END_OF_INTERRUPT], 0
    iretq

    .balign 16
idt:
    .skip VECTOR * 16
gate:
    .short 0, CODE_SELECTOR, 0x8e00, 0  // an interrupt gate, present. The zeros are the bits 0-15 and 16-31 of the handler's address,
    .long 0, 0  // and the bits 32-63
idt_register:
    .short idt_register - idt - 1  // the limit is the last byte's offset
idt_base:
    .quad 0
end echo_irq
