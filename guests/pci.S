// Plays firmware and driver for emulated PCI devices: finds all functions, sizes their BARs and ROMs, places them anew, writes
// and checks the memory behind them, and lets each function with MSI-X interrupt once. Then it prints what it saw.
//
// Bridges keep their bus numbers, and get new windows. README.md describes the parameters that the monitor gives, and the
// output.

#include "guest.h"
#include "pci.h"

#define PHASE_PORT 0xe0

#define VECTOR 0x20  // the first vector that is not reserved for exceptions
#define PATIENCE 200000  // how often to look for an interrupt before giving up

// Tells the monitor that phase NUMBER begins.
.macro phase number
    mov al, \number
    out PHASE_PORT, al
.endm

// Calls ROUTINE for each function: rbx is its record, rdi its configuration space. ROUTINE keeps rbx, rbp and r15.
.macro each_function routine
    lea rbp, [rip + \routine]
    call for_each_function
.endm

// Prints a line with NAME and its count.
.macro report name
    print \name
    mov rax, [rip + \name\()_count]
    call decimal
.endm

begin pci, 64
    phase 1  // walk
    call find_functions
    phase 2  // sizing
    each_function size_function
    phase 3  // placement
    each_function place_function
    each_function open_bridge
    phase 4  // exercise: all writes come before the first check, so that two BARs in one place are noticed
    call open_window
    each_function write_function
    each_function check_function
    each_function check_rom
    phase 5  // interrupts
    lidt [rip + idt_register]
    mov eax, APIC
    mov dword ptr [rax + APIC_SPURIOUS_VECTOR], 0x1ff  // enabled
    each_function interrupt_function
    phase 6  // report
    report functions
    report bars
    report bytes
    report mismatches
    report interrupts
    cmp qword ptr [rip + mismatches_count], 0
    setne bl
    exit bl

for_each_function:
    mov ebx, RECORDS
1:  cmp rbx, r15
    je 2f
    mov edi, [rbx + RECORD_ECAM]
    add rdi, [PARAMETER_ECAM]
    call rbp
    add rbx, RECORD_SIZE
    jmp 1b
2:  ret

// Lets function rbx interrupt with vector 0, if it has MSI-X and a doorbell. The handler counts the interrupt. If it does not
// come, the guest gives up after a while.
interrupt_function:
    movzx r12d, word ptr [rbx + RECORD_MSIX]
    test r12d, r12d
    jz 4f
    call locate_doorbell
    jnc 4f
    mov r10, rax
    mov edx, [rbx + RECORD_PBA]
    call bar_address
    add r10, rax  // the doorbell
    mov edx, [rbx + RECORD_TABLE]
    call bar_address
    mov r11, rax
    mov eax, [rbx + RECORD_TABLE]
    and eax, ~BIR
    add r11, rax  // the table

    // The first vector: address, data (fixed delivery to the processor with APIC number 0), and unmasked.
    mov rax, r11
    call reach
    mov dword ptr [rax], APIC
    mov dword ptr [rax + 4], 0
    mov dword ptr [rax + 8], VECTOR
    mov dword ptr [rax + 12], 0
    add rdi, r12
    movzx r13d, word ptr [rdi + MSIX_CONTROL]
    mov eax, r13d
    or eax, MSIX_ENABLE
    and eax, ~MSIX_FUNCTION_MASK
    mov [rdi + MSIX_CONTROL], ax

    mov r12, [rip + interrupts_count]
    mov ecx, PATIENCE
    mov rax, r10
    call reach
    mov r8d, APIC  // for the handler
    sti  // already here, so that the interrupt can come as soon as KVM is back from the doorbell
    mov dword ptr [rax], 0
3:  pause
    cmp r12, [rip + interrupts_count]
    loope 3b
    cli

    mov rax, r11
    call reach
    mov dword ptr [rax + 12], 1  // masked
    mov [rdi + MSIX_CONTROL], r13w
4:  ret

// Returns the address of a BAR of function rbx in rax. The lowest bits of edx are the BAR's number. Clobbers rdx.
bar_address:
    and edx, BIR
    shl edx, 4
    mov rax, [rbx + rdx + RECORD_BARS]
    and rax, ~MEMORY_FLAGS
    ret

handler:  // r8 is the local APIC whenever interrupts are on
    inc qword ptr [rip + interrupts_count]
    mov dword ptr [r8 + APIC_END_OF_INTERRUPT], 0
    iretq

#include "pci-config.h"
#include "pci-place.h"
#include "pci-memory.h"

// Prints rax in decimal and ends the line. Clobbers rax, rcx, rdx, rsi.
decimal:
    lea rsi, [rip + digits_end]
    mov ecx, 10
1:  xor edx, edx
    div rcx
    add dl, '0'
    dec rsi
    mov [rsi], dl
    test rax, rax
    jnz 1b
    lea rcx, [rip + digits_end + 1]
    sub ecx, esi
    mov dx, SERIAL_DATA
    rep outsb
    ret

    .skip 20  // room for the digits of 2^64
digits_end:
    .ascii "\n"
string functions,  "functions "
string bars,       "bars "
string bytes,      "bytesChecked "
string mismatches, "mismatches "
string interrupts, "interrupts "

    .balign 16
functions_count:
    .quad 0
bridges_count:
    .quad 0
last_bus:
    .quad 0
bars_count:
    .quad 0
bytes_count:
    .quad 0
mismatches_count:
    .quad 0
interrupts_count:
    .quad 0

    // The IDT: all gates are absent except the last one.
    .set handler_address, LOAD_ADDRESS + handler - start
idt:
    .skip VECTOR * 16
    .short handler_address & 0xffff, CODE_SELECTOR, 0x8e00, handler_address >> 16  // an interrupt gate, present
    .quad 0
idt_register:
    .short idt_register - idt - 1  // the limit is the last byte's offset
    .quad LOAD_ADDRESS + idt - start
end pci
