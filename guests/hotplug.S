// Drives the slots of ports (PCI Express Base Specification, 6.7). When a device comes, the guest switches the power on, places
// the BARs in the port's window, writes and reads memory, and takes an interrupt. It uses the device until the monitor asks for
// it, or until it finds the device gone.
//
// Meanwhile all processors watch the places of the table that `watch` describes. If a device that is present shows something
// wrong, this counts as an error of processor 0 in the results of that table. README.md describes the memory that the monitor
// reads.

#include "guest.h"
#include "pci.h"
#include "watch.h"

#define SLOT_VECTOR 0x20  // the first vector that is not reserved for exceptions
#define DEVICE_VECTOR 0x21
#define PIC_MASK_1 0x21
#define PIC_MASK_2 0xa1
#define PATIENCE 2000000  // how often to look for an event that must come soon
#define SLOT_PATIENCE 10000  // the same, if each look is an exit

// Capabilities (7.5.3), and MSI (PCI 3.0, 6.8.1).
#define EXPRESS 0x10
#define HAS_SLOT 0x01  // in the upper byte of the capability's register
#define LINK_STATUS 0x12
#define LINK_ACTIVE 0x2000
#define SLOT_CAPABILITIES 0x14
#define HOT_PLUG_CAPABLE 0x40
#define SLOT_CONTROL 0x18
#define POWER_OFF 0x0400
#define POWER_LAMP 0x0300
#define POWER_LAMP_ON 0x0100
#define NOTICES 0x1029  // attention button, presence, interrupt enable, link
#define SLOT_STATUS 0x1a
#define BUTTON 0x01
#define PRESENCE_CHANGED 0x08
#define COMMAND_COMPLETED 0x10
#define OCCUPIED 0x40
#define EVENTS 0x0109  // the events of which NOTICES give notice
#define MSI 0x05
#define MSI_CONTROL 2
#define MSI_ADDRESS 4
#define MSI_DATA 12

// The guest's record of each port, which the monitor reads. All numbers have 32 bits unless told otherwise.
#define PORTS_COUNT 0x310000
#define PORTS 0x310080
#define PORT_SIZE 0x80
#define MOST_PORTS 256
#define PORT_CONFIG 0x00  // the address of the port's configuration space
#define PORT_STATE 0x04  // EMPTY, USED or LEAVING
#define EMPTY 0
#define USED 1
#define LEAVING 2
#define PORT_ADDED 0x08  // the number of devices that were put to use,
#define PORT_RETURNED 0x0c  // that were given back when the button was pressed,
#define PORT_LOST 0x10  // that were gone without a request,
#define PORT_ABANDONED 0x14  // and that were gone before they could be used
#define PORT_SLOT 0x18  // the address of the port's PCI Express capability
#define PORT_DEVICE 0x1c  // the address of the configuration space of a device in the slot
#define PORT_BARS 0x20  // for each BAR its address, and its size, which is 0 if there is no BAR

// The state of an error that belongs to no place of the table: this number, combined with the number of the check.
#define DEVICE_ERROR 0x100

begin hotplug, 64
    mov r12d, edx  // the number of processors
    print welcome
    mov al, 0xff
    out PIC_MASK_1, al
    out PIC_MASK_2, al
    lidt [rip + idt_register]
    call start_processors
    xor eax, eax  // processor 0
    call begin_watch
    call find_ports
    sti
1:  call watch_round
    jc ends
    dec byte ptr [rip + rounds_left]
    jnz 2f
    mov dx, SERIAL_LINE_STATUS
    in al, dx
    test al, DATA_READY
    jz 2f
    mov dx, SERIAL_DATA
    in al, dx
    cmp al, 'q'
    jne 2f
    mov dword ptr [TABLE_STOP], 1
2:  xor eax, eax
    xchg [rip + slot_events], eax
    test eax, eax
    jz 1b
    push r11
    push r13
    push r14
    mov r13, r14  // the results
    call handle_ports
    pop r14
    pop r13
    pop r11
    jmp 1b

ends:
    pause
    mov eax, [rip + stopped]  // the number of other processors that have seen the end
    inc eax
    cmp eax, r12d
    jb ends
    cmp qword ptr [r14 + ERRORS], 0
    setne al
    out EXIT_PORT, al

// Finds the ports with slots for hot plug, empties them, and enables their interrupts.
find_ports:
    mov ebx, PORTS
    mov edi, [PARAMETER_ECAM]
    mov esi, [PARAMETER_BUSES]
    shl esi, 20
    add esi, edi
1:  cmp edi, esi
    jae 3f
    cmp word ptr [rdi], 0xffff
    je 2f
    mov al, [rdi + HEADER_TYPE]
    and al, LAYOUT
    cmp al, 1
    jne 2f
    mov cl, EXPRESS
    call find_capability
    test eax, eax
    jz 2f
    test byte ptr [rax + 3], HAS_SLOT
    jz 2f
    test byte ptr [rax + SLOT_CAPABILITIES], HOT_PLUG_CAPABLE
    jz 2f
    push rdi
    call add_port
    pop rdi
    inc dword ptr [PORTS_COUNT]
    add ebx, PORT_SIZE
    cmp dword ptr [PORTS_COUNT], MOST_PORTS
    je 3f
2:  add edi, NEXT_FUNCTION
    jmp 1b
3:  mov dword ptr [rip + slot_events], 1  // devices may already be in slots, so the guest looks at once
    ret

// Makes the record rbx of the port rdi, whose PCI Express capability is at rax.
add_port:
    mov [rbx + PORT_CONFIG], edi
    mov [rbx + PORT_SLOT], eax
    movzx ecx, byte ptr [rdi + SECONDARY_BUS]
    mov eax, edi
    sub eax, [PARAMETER_ECAM]
    shr eax, 20
    movzx edx, byte ptr [rdi + PRIMARY_BUS]
    sub eax, edx
    add eax, ecx
    shl eax, 20
    add eax, [PARAMETER_ECAM]
    mov [rbx + PORT_DEVICE], eax
    mov cl, MSI
    call find_capability
    test eax, eax
    jz 1f
    mov dword ptr [rax + MSI_ADDRESS], APIC
    mov dword ptr [rax + MSI_ADDRESS + 4], 0
    mov dword ptr [rax + MSI_DATA], SLOT_VECTOR
    or word ptr [rax + MSI_CONTROL], 1
1:  or word ptr [rdi + COMMAND], MEMORY_DECODE | BUS_MASTER
    call power_off
    mov eax, [rbx + PORT_SLOT]
    mov word ptr [rax + SLOT_STATUS], EVENTS
    or word ptr [rax + SLOT_CONTROL], NOTICES
    ret

// Returns the address of the capability cl of the function rdi in eax, or 0 if there is none. Clobbers rdx.
find_capability:
    mov edx, 48  // the most capabilities that fit. A longer list is that of a function that is gone
    movzx eax, byte ptr [rdi + CAPABILITIES]
1:  and eax, 0xfc
    jz 2f
    add eax, edi
    cmp [rax], cl
    je 2f
    movzx eax, byte ptr [rax + 1]
    dec edx
    jnz 1b
    xor eax, eax
2:  ret

handle_ports:
    mov ebx, PORTS
    mov r14d, [PORTS_COUNT]
1:  test r14d, r14d
    jz 2f
    call handle_port
    add ebx, PORT_SIZE
    dec r14d
    jmp 1b
2:  ret

// Handles the events of port rbx until there are no more. The port does not interrupt again before that.
handle_port:
    mov edi, [rbx + PORT_SLOT]
    movzx r8d, word ptr [rdi + SLOT_STATUS]
    mov eax, r8d
    and eax, EVENTS
    mov [rdi + SLOT_STATUS], ax
    cmp dword ptr [rbx + PORT_STATE], USED
    je 1f
    mov dword ptr [rbx + PORT_STATE], EMPTY
    test r8b, OCCUPIED
    jz 4f
    call bring_up
    jmp 4f
1:  test r8b, PRESENCE_CHANGED
    jz 2f
    inc dword ptr [rbx + PORT_LOST]
    call power_off
    mov dword ptr [rbx + PORT_STATE], EMPTY
    jmp handle_port  // another device may be there by now
2:  test r8b, BUTTON
    jz 4f
    mov edi, [rbx + PORT_DEVICE]
    mov word ptr [rdi + COMMAND], 0
    mov dword ptr [rbx + PORT_STATE], LEAVING
    inc dword ptr [rbx + PORT_RETURNED]
    call power_off
4:  mov edi, [rbx + PORT_SLOT]
    test word ptr [rdi + SLOT_STATUS], EVENTS
    jnz handle_port
    ret

// Switch the power and the lamp of the slot of port rbx off and on. Clobber rax, rcx and rdi.
power_off:
    mov ecx, POWER_OFF | POWER_LAMP
    jmp 1f
power_on:
    mov ecx, POWER_LAMP_ON
1:  mov edi, [rbx + PORT_SLOT]
    movzx eax, word ptr [rdi + SLOT_CONTROL]
    and eax, ~(POWER_OFF | POWER_LAMP)
    or eax, ecx
    mov [rdi + SLOT_CONTROL], ax
2:  pause
    test word ptr [rdi + SLOT_STATUS], COMMAND_COMPLETED
    jz 2b
    mov word ptr [rdi + SLOT_STATUS], COMMAND_COMPLETED
    ret

slot_handler:
    lock inc dword ptr [rip + slot_events]
    jmp 1f
device_handler:
    lock inc dword ptr [rip + device_interrupts]
1:  push rax
    mov eax, APIC
    mov dword ptr [rax + APIC_END_OF_INTERRUPT], 0
    pop rax
    iretq

string welcome, "Waiting for functions to come and go in the slots of ports. Type q to end.\n"

slot_events:
    .long 0
device_interrupts:
    .long 0
rounds_left:  // until the guest looks at the console, where a user may type `q`
    .long 0
next_word:
    .long 0x5a000000

.macro gate routine
    .set \routine\()_address, LOAD_ADDRESS + \routine - start
    .short \routine\()_address & 0xffff, CODE_SELECTOR, 0x8e00, \routine\()_address >> 16
    .quad 0
.endm

    .balign 16
idt:
    .skip SLOT_VECTOR * 16
    gate slot_handler
    gate device_handler
idt_register:
    .short idt_register - idt - 1
    .quad LOAD_ADDRESS + idt - start

#include "hotplug-device.h"
#include "watch-table.h"
end hotplug
