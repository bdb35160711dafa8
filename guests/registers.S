// Reads the beginning of each memory BAR of each function, as a driver looks at its device: 32 bytes of the BAR, and the
// signature of each ROM. The registers at the beginning of BAR 0 are read a thousand times, which makes no exits if the BAR is
// mapped. The guest writes nothing except for sizing the BARs.

#include "guest.h"
#include "pci.h"

#define READS 1000

// Prints the DIGITS lowest hexadecimal digits of RAX and a space. Clobbers RAX and RDX.
.macro number digits
    mov edx, \digits
    call print_number
.endm

begin registers, 64
    call find_functions
    call open_window
    mov ebx, RECORDS
next_function:
    cmp rbx, r15
    je done
    mov edi, [rbx + RECORD_ECAM]
    add rdi, [PARAMETER_ECAM]
    call size_function
    or word ptr [rdi + COMMAND], MEMORY_DECODE
    mov ecx, BAR0
next_bar:
    cmp qword ptr [THIS_BAR + BAR_SIZE], 0
    je no_bar
    mov rax, [THIS_BAR]
    test al, IS_IO
    jnz no_bar
    and rax, ~MEMORY_FLAGS
    jz no_bar
    call reach
    mov rbp, rax
    cmp ecx, BAR0
    jne 2f
    mov r12d, READS
1:  mov eax, [rbp + 8]
    dec r12d
    jnz 1b
2:  push rcx
    mov eax, [rdi]
    number 8
    print bar
    mov rax, [rsp]
    sub eax, BAR0
    shr eax, 2
    number 1
    xor r12d, r12d
3:  mov eax, [rbp + 4 * r12]
    number 8
    inc r12d
    cmp r12d, 8
    jb 3b
    print newline
    pop rcx
no_bar:
    add ecx, 4
    cmp ecx, BARS_END
    jb next_bar
    mov rax, [rbx + RECORD_ROM]
    test al, ROM_ENABLE
    jz 4f
    and rax, ~ROM_FLAGS
    call reach
    mov rbp, rax
    mov eax, [rdi]
    number 8
    print rom
    movzx eax, word ptr [rbp]
    number 4
    print newline
4:  add rbx, RECORD_SIZE
    jmp next_function
done:
    exit 0

// Prints the EDX lowest hexadecimal digits of RAX and a space. Clobbers RAX and RDX.
print_number:
    push rcx
    push rsi
    lea rsi, [rip + digits_end]
    mov ecx, edx
1:  mov edx, eax
    and edx, 15
    cmp dl, 10
    jb 2f
    add dl, 'a' - '0' - 10
2:  add dl, '0'
    dec rsi
    mov [rsi], dl
    shr rax, 4
    dec ecx
    jnz 1b
    lea rcx, [rip + digits_end + 1]
    sub ecx, esi
    mov dx, SERIAL_DATA
    rep outsb
    pop rsi
    pop rcx
    ret

#include "pci-config.h"
#include "pci-memory.h"

    .skip 16
digits_end:
    .ascii " "
string bar, "bar "
string rom, "rom "
string newline, "\n"

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
end registers
