// Shows that RAM is where it should be, and nowhere else: at each end of the RAM below 3 GiB and of the RAM above
// 4 GiB, the first word, the last word, and the word just past the end, where nobody answers and reads give all ones.
//
// Each word is given its own address plus one, a value that neither empty memory (zeros) nor absent memory (all ones)
// can hold. All of them are written before the first is read back: if two addresses led to the same memory, the later
// write would show through the earlier address. None of these words belongs to anybody, so none is restored.

#include "guest.h"

#define HIGH_RAM 0x100000000  // where RAM above the 32-bit hole begins

begin memory, 64
    mov r12, rdi  // pages of RAM from address 0
    shl r12, 12  // now its end
    mov r13, rsi  // pages of RAM from HIGH_RAM
    shl r13, 12
    movabs rax, HIGH_RAM
    add r13, rax  // now its end
    xor r15d, r15d  // nothing was wrong so far

    xor r8d, r8d
    mov r9, r12
    call mark
    movabs r8, HIGH_RAM
    mov r9, r13
    call mark

    print below
    xor r8d, r8d
    mov r9, r12
    call check
    print above
    movabs r8, HIGH_RAM
    mov r9, r13
    call check
    exit r15b

// Writes the edges of the RAM from r8 up to r9.
mark:
    cmp r8, r9
    je 1f
    lea rax, [r8 + 1]
    mov [r8], rax
    lea rax, [r9 - 8 + 1]
    mov [r9 - 8], rax
1:  ret

// Reads them back, and the word past them.
check:
    cmp r8, r9
    je 1f
    lea r14, [rip + first]
    mov rbx, r8
    lea rbp, [rbx + 1]
    call look
    lea r14, [rip + last]
    lea rbx, [r9 - 8]
    lea rbp, [rbx + 1]
    call look
1:  lea r14, [rip + past]  // of no RAM at all, the end is where it would begin
    mov rbx, r9
    mov rbp, -1
look:
    mov rax, [rbx]
    mov ecx, 16
    jmp expect

#include "expect.h"

string below, "RAM below 3 GiB\n"
string above, "RAM above 4 GiB\n"
string first, "  first word        "
string last, "  last word         "
string past, "  past the end      "
end memory
