// Drives QEMU's device `edu`, as a guest to which it is assigned: its registers, its interrupts and its DMA.
//
// The console's input goes through the device's memory by DMA, and is printed. If it begins with a number, decode is switched
// off and on that many times, and the BAR is moved that many times, while DMA runs. Each check has a number, which is the exit
// status if the check fails.

#include "guest.h"
#include "checks.h"

#define EDU 0x11e81234  // device 0x11e8 of vendor 0x1234
#define COMMAND 0x04
#define MEMORY_DECODE 0x02  // in COMMAND
#define BUS_MASTER 0x04
#define LOW_APERTURE 0x9010  // the parameter PARAMETER_LOW of pci.h

// Registers of the device.
#define IDENTITY 0x00
#define INVERSE 0x04
#define FACTORIAL 0x08
#define STATUS 0x20
#define RAISED 0x24
#define RAISE 0x60
#define ACKNOWLEDGE 0x64
#define DMA_SOURCE 0x80
#define DMA_TARGET 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
#define DMA_BUFFER 0x40000

#define IDENTITY_VALUE 0x010000ed
#define FACTORIAL_BUSY 0x01  // in STATUS
#define DMA_RUN 0x05  // from memory, with an interrupt at the end
#define DMA_BACK 0x07  // to memory

#define PATTERN 0x200000
#define COPY 0x300000
#define PATTERN_SIZE 0x800  // less than a page, because the device takes no more
#define OUTSIDE 0x8000000  // an address without RAM: the machine has 16 MiB

// Writes EAX to REGISTER of the PCI function in R8D. Clobbers RCX and RDX.
.macro configure register
    mov ecx, \register
    call write_config
.endm

// Begins another transfer from SOURCE to TARGET if the last one has ended.
.macro keep_running source, target, command
    sti
    pause
    cli
    cmp dword ptr [rip + message_count], 0
    je 2f
    dec dword ptr [rip + message_count]
    mov esi, \source
    mov edi, \target
    mov eax, \command
    call transfer
2:
.endm

begin edu, 64
    mov r14d, APIC
    call set_up_interrupts

    check 1
    mov r8d, CONFIG_ENABLE
next_function:
    config 0, eax
    cmp eax, EDU
    je found
    add r8d, 1 << 8
    cmp r8d, CONFIG_ENABLE | 1 << 16  // bus 1
    jb next_function
    jmp failed
found:
    config MEMORY_BAR, eax
    mov ebx, eax
    and ebx, ~15
    jz failed
    mov eax, MEMORY_DECODE | BUS_MASTER
    configure COMMAND

    // The device has no reset, so DMA that an earlier driver has begun may still go on.
1:  test dword ptr [rbx + DMA_COMMAND], 1
    jnz 1b
    mov eax, [rbx + RAISED]
    mov [rbx + ACKNOWLEDGE], eax

    check 2
    mov eax, [rbx + IDENTITY]
    expect eax, IDENTITY_VALUE
    mov dword ptr [rbx + INVERSE], 0x12345678
    mov eax, [rbx + INVERSE]
    expect eax, ~0x12345678

    check 3
    mov dword ptr [rbx + FACTORIAL], 10
1:  test dword ptr [rbx + STATUS], FACTORIAL_BUSY
    jnz 1b
    mov eax, [rbx + FACTORIAL]
    expect eax, 3628800

    check 4  // reads of a mapped register make no exits
    mov ecx, 1000
1:  mov eax, [rbx + IDENTITY]
    expect eax, IDENTITY_VALUE
    dec ecx
    jnz 1b

    check 5
    call raise_by_line

    check 6
    call enable_msi
    call raise_by_message

    check 7
    call read_pattern
    mov esi, PATTERN
    mov edi, DMA_BUFFER
    mov eax, DMA_RUN
    call transfer
    call wait_for_message
    mov esi, DMA_BUFFER
    mov edi, COPY
    mov eax, DMA_BACK
    call transfer
    call wait_for_message
    mov esi, PATTERN
    mov edi, COPY
    mov ecx, PATTERN_SIZE
    repe cmpsb
    jne failed
    mov esi, COPY
    mov ecx, r13d
    mov dx, SERIAL_DATA
    rep outsb

    check 8  // decode goes off and on while the device reads memory again and again
    mov esi, PATTERN
    mov edi, DMA_BUFFER
    mov eax, DMA_RUN
    call transfer
    mov r9d, r12d
1:  mov eax, BUS_MASTER
    configure COMMAND
    mov eax, MEMORY_DECODE | BUS_MASTER
    configure COMMAND
    mov eax, [rbx + IDENTITY]
    expect eax, IDENTITY_VALUE
    keep_running PATTERN, DMA_BUFFER, DMA_RUN
    dec r9d
    jnz 1b
    call wait_for_message

    check 9  // the BAR moves while the device writes memory
    mov esi, DMA_BUFFER
    mov edi, COPY
    mov eax, DMA_BACK
    call transfer
    mov ebp, [LOW_APERTURE]
    add ebp, 0xfffff
    and ebp, ~0xfffff
    mov r9d, r12d
1:  mov eax, ebp
    configure MEMORY_BAR
    xchg ebp, ebx
    mov eax, [rbx + IDENTITY]
    expect eax, IDENTITY_VALUE
    keep_running DMA_BUFFER, COPY, DMA_BACK
    dec r9d
    jnz 1b
    call wait_for_message

    check 10  // the IOMMU stops the device at addresses without memory, and the device notices nothing
    mov esi, OUTSIDE
    mov edi, DMA_BUFFER
    mov eax, DMA_RUN
    call transfer
    call wait_for_message
    mov esi, DMA_BUFFER
    mov edi, OUTSIDE
    mov eax, DMA_BACK
    call transfer
    call wait_for_message

    check 11
    call disable_msi
    call raise_by_line
    print passed_text
    exit 0

failed:
    print failed_text
    exit r15b

// Starts DMA of PATTERN_SIZE bytes from RSI to RDI with the command in EAX.
transfer:
    mov [rbx + DMA_SOURCE], rsi
    mov [rbx + DMA_TARGET], rdi
    mov qword ptr [rbx + DMA_COUNT], PATTERN_SIZE
    mov [rbx + DMA_COMMAND], rax
    ret

// Reads the console's input, at most PATTERN_SIZE bytes, and fills the rest of the pattern with other bytes. Leaves the length
// of the input in R13D, and the number with which it begins (16 if there is none) in R12D. Clobbers RAX, RDX, RSI and RDI.
read_pattern:
    mov edi, PATTERN
1:  mov dx, SERIAL_LINE_STATUS
    in al, dx
    test al, DATA_READY
    jz 1b
    mov dx, SERIAL_DATA
    in al, dx
    cmp al, END_OF_INPUT
    je 2f
    mov [rdi], al
    inc edi
    cmp edi, PATTERN + PATTERN_SIZE
    jb 1b
2:  lea r13d, [rdi - PATTERN]
3:  cmp edi, PATTERN + PATTERN_SIZE
    jae 4f
    imul eax, edi, 0x61
    mov [rdi], al
    inc edi
    jmp 3b
4:  mov esi, PATTERN
    xor r12d, r12d
5:  movzx eax, byte ptr [rsi]
    sub eax, '0'
    cmp eax, 9
    ja 6f
    imul r12d, r12d, 10
    add r12d, eax
    inc esi
    jmp 5b
6:  test r12d, r12d
    jnz 7f
    mov r12d, 16
7:  ret

#include "edu-interrupts.h"

string passed_text, "all checks passed\n"
string failed_text, "a check failed\n"
end edu
