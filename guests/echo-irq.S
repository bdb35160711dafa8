// Shows an interrupt on its whole way: serial port, IOAPIC pin 4, local APIC, IDT, handler, end of interrupt.
//
// The handler does nothing but end its interrupt; it is there to wake the processor. The main loop empties the port
// with interrupts off and then sleeps by `sti; hlt`: STI takes effect only after the instruction that follows it, so a
// byte that arrives between the last look and the sleep wakes the processor all the same. The line is edge-triggered,
// as ISA lines are; the loop looks until the port is empty, since a port that was not emptied gives no further edge.

#include "guest.h"

#define VECTOR 0x20  // the first that is not reserved for exceptions
#define PIN 4  // the first serial port

#define IOAPIC_SELECT 0xfec00000
#define IOAPIC_WINDOW 0x10  // from IOAPIC_SELECT
#define REDIRECTION_LOW (0x10 + 2 * PIN)
#define REDIRECTION_HIGH (0x11 + 2 * PIN)

#define PIC_MASK_1 0x21
#define PIC_MASK_2 0xa1

begin echo_irq, 64
    // The IDT: all gates are absent but the last one, whose address is filled in here, where it is known.
    lea rax, [rip + handler]
    mov [rip + gate], ax
    shr rax, 16
    mov [rip + gate + 6], ax
    shr rax, 16
    mov [rip + gate + 8], eax
    lea rax, [rip + idt]
    mov [rip + idt_base], rax
    lidt [rip + idt_register]

    // The old interrupt controllers see the same lines. They are masked, or the byte would come twice.
    mov al, 0xff
    out PIC_MASK_1, al
    out PIC_MASK_2, al

    // The local APIC: enabled (bit 8), with 0xff as the vector of spurious interrupts.
    mov ebx, APIC
    mov dword ptr [rbx + APIC_SPURIOUS_VECTOR], 0x1ff

    // The IOAPIC: the pin goes to the processor with APIC number 0 (high half), and to this vector, fixed, active high,
    // edge-triggered, unmasked (low half, written last since it arms the pin).
    mov esi, IOAPIC_SELECT
    mov dword ptr [rsi], REDIRECTION_HIGH
    mov dword ptr [rsi + IOAPIC_WINDOW], 0
    mov dword ptr [rsi], REDIRECTION_LOW
    mov dword ptr [rsi + IOAPIC_WINDOW], VECTOR

    // The serial port: an interrupt for received data. OUT2 (bit 3) is the gate between it and the line on a PC; bits
    // 0 and 1 tell the other end that this one is ready.
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
    .short 0, CODE_SELECTOR, 0x8e00, 0  // an interrupt gate, present; the zeros are the handler's bits 0-15, 16-31,
    .long 0, 0  // and 32-63
idt_register:
    .short idt_register - idt - 1  // the limit is the last byte's offset
idt_base:
    .quad 0
end echo_irq
