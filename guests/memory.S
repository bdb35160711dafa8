// Shows that RAM is where it should be, and nowhere else. It checks each end of the RAM below 3 GiB and of the RAM above 4 GiB:
// the first word, the last word, and the word just past the end, where no device answers and reads give all ones.
//
// Each word gets the value of its own address plus one, which neither empty memory (zeros) nor absent memory (all ones) can
// hold. All words are written before the first is read back. If two addresses led to the same memory, the later write would
// show at the earlier address. Nothing else uses these words, so they are not restored.

#include "guest.h"

#define HIGH_RAM 0x100000000  // the beginning of the RAM above the 32-bit hole

begin memory, 64
    mov r12, rdi  // the number of pages of RAM from address 0
    shl r12, 12  // now the end of that RAM
    mov r13, rsi  // the number of pages of RAM from HIGH_RAM
    shl r13, 12
    movabs rax, HIGH_RAM
    add r13, rax  // now the end of that RAM
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

// Writes the first and the last word of the RAM from r8 up to r9.
mark:
    cmp r8, r9
    je 1f
    lea rax, [r8 + 1]
    mov [r8], rax
    lea rax, [r9 - 8 + 1]
    mov [r9 - 8], rax
1:  ret

// Reads these words back, and the word past the end.
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
1:  lea r14, [rip + past]  // without any RAM, the end is where the RAM would begin
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
