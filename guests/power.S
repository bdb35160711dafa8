// Puts PCI functions to sleep and wakes them, and resets those that have a function-level reset, as drivers do. The console's
// input is a number, which says how often. A register of BAR 0 must read the same afterwards. While the function has no memory,
// the register must read as all ones.

#include "guest.h"
#include "pci.h"

#define REGISTER 8  // the offset of the register in BAR 0
#define POWER 0x01  // the capability of power management (PCI Power Management 1.2, 3.2)
#define POWER_STATE 4
#define D3HOT 3
#define EXPRESS 0x10  // the capability of PCI Express (PCIe, 7.5.3)
#define DEVICE_CAPABILITIES 4
#define HAS_RESET 0x10000000
#define DEVICE_CONTROL 8
#define RESET 0x8000

begin power, 64
    call find_functions
    call open_window
    call read_number
    print begin_text
    mov ebx, RECORDS
next_function:
    cmp rbx, r15
    je done
    mov edi, [rbx + RECORD_ECAM]
    add rdi, [PARAMETER_ECAM]
    call size_function
    mov ecx, BAR0
    cmp qword ptr [THIS_BAR + BAR_SIZE], 0
    je no_reset
    mov rax, [THIS_BAR]
    test al, IS_IO
    jnz no_reset
    and rax, ~MEMORY_FLAGS
    jz no_reset
    call reach
    mov rbp, rax
    or word ptr [rdi + COMMAND], MEMORY_DECODE
    mov r14d, [rbp + REGISTER]

    mov al, POWER
    call find_capability
    jz no_power
    mov r12d, r13d
1:  mov word ptr [rdi + rcx + POWER_STATE], D3HOT
    mov eax, [rbp + REGISTER]
    cmp eax, -1
    je 2f
    cmp eax, r14d  // with lazy decode the memory stays, and the function stays in D0
    jne failed
2:  mov word ptr [rdi + rcx + POWER_STATE], 0
    cmp [rbp + REGISTER], r14d
    jne failed
    dec r12d
    jnz 1b
    print slept_text

no_power:
    mov al, EXPRESS
    call find_capability
    jz no_reset
    test dword ptr [rdi + rcx + DEVICE_CAPABILITIES], HAS_RESET
    jz no_reset
    mov r12d, r13d
3:  or word ptr [rdi + rcx + DEVICE_CONTROL], RESET
    test word ptr [rdi + COMMAND], IO_DECODE | MEMORY_DECODE | BUS_MASTER
    jnz failed
    test dword ptr [rdi + BAR0], ~MEMORY_FLAGS
    jnz failed
    call restore_bars
    or word ptr [rdi + COMMAND], MEMORY_DECODE
    cmp [rbp + REGISTER], r14d
    jne failed
    dec r12d
    jnz 3b
    print reset_text

no_reset:
    add rbx, RECORD_SIZE
    jmp next_function
done:
    exit 0
failed:
    print failed_text
    exit 1

// Writes the addresses of the record's BARs into the registers. Clobbers RAX.
restore_bars:
    push rcx
    mov ecx, BAR0
1:  cmp qword ptr [THIS_BAR + BAR_SIZE], 0
    je 2f
    mov rax, [THIS_BAR]
    mov [rdi + rcx], eax
    test al, IS_IO
    jnz 2f
    test al, IS_64BIT
    jz 2f
    shr rax, 32
    mov [rdi + rcx + 4], eax
2:  add ecx, 4
    cmp ecx, BARS_END
    jb 1b
    pop rcx
    ret

// Finds a capability by the ID in AL. Leaves its offset in RCX; RCX is 0 and ZF set if there is none. Clobbers RDX.
find_capability:
    xor ecx, ecx
    test byte ptr [rdi + STATUS], HAS_CAPABILITIES
    jz 2f
    movzx ecx, byte ptr [rdi + CAPABILITIES]
1:  and ecx, 0xfc
    jz 2f
    mov edx, [rdi + rcx]
    cmp dl, al
    je 2f
    movzx ecx, dh
    cmp edx, -1  // the function is gone
    jne 1b
    xor ecx, ecx
2:  test ecx, ecx
    ret

// Reads the console's input up to its end, and leaves the number in it (10 if there is none) in R13D. Clobbers RAX and RDX.
read_number:
    xor r13d, r13d
1:  mov dx, SERIAL_LINE_STATUS
    in al, dx
    test al, DATA_READY
    jz 1b
    mov dx, SERIAL_DATA
    in al, dx
    cmp al, END_OF_INPUT
    je 2f
    sub al, '0'
    cmp al, 9
    ja 1b
    movzx eax, al
    imul r13d, r13d, 10
    add r13d, eax
    jmp 1b
2:  test r13d, r13d
    jnz 3f
    mov r13d, 10
3:  ret

#include "pci-config.h"
#include "pci-memory.h"

string begin_text, "sleeping and waking\n"
string slept_text, "slept and woke\n"
string reset_text, "was reset\n"
string failed_text, "the register reads otherwise\n"

functions_count:
    .quad 0
bridges_count:
    .quad 0
bars_count:
    .quad 0
bytes_count:
    .quad 0
mismatches_count:
    .quad 0
end power
