// Watches places in memory while the monitor changes the slots behind them: nothing that it reads may ever be wrong.
//
// The monitor says in a table what each place shows now: its label, the first word of whatever is mapped there, or all
// ones. Each entry has a sequence number, which is odd while the monitor is about to change the place. What was read
// between two looks at the same even number was read of a place that did not change meanwhile, and must be right; a
// processor that still translates to a slot that is gone would show an old label. Each processor also writes a word of
// its own into the place, and what it reads back must fit as well. With no places there is nothing to watch, and the
// guest ends at once.

#include "guest.h"

#define TABLE 0x100000
#define TABLE_STOP 0x100000  // not zero: end
#define TABLE_COUNT 0x100008  // how many places there are
#define TABLE_WORK 0x100010  // 32 bits: what the processors do
#define WALK_FIRST 0x100018  // the pages that they walk over, 64 bits each: the first, and the end
#define WALK_END 0x100020
#define ENTRIES 0x100040
#define ENTRY_SIZE 32
#define PLACE 0  // the address, 64 bits
#define SEQUENCE 8  // 32 bits, as are the others
#define STATE 12
#define LABEL 16

// What the processors do, beside watching the table (0).
#define HALT 1  // count one check and halt
#define WALK 2  // write to one page after the other, and count each as a check

// What a place is now.
#define ABSENT 0
#define WRITABLE 1
#define READ_ONLY 2
#define REGISTER 3  // a register of a device: not written

#define RESULTS 0x300000  // a record for each processor
#define RESULT_SIZE 64
#define RESULT_SHIFT 6
#define CHECKS 0
#define ERRORS 8
#define ROUNDS 16  // how often the whole table was gone through
#define BAD_PLACE 24  // of the first error: the address, what was read there, what was read back of the own word
#define BAD_WORD 32
#define BAD_ECHO 36
#define BAD_LABEL 40
#define BAD_STATE 44

#define OWN_WORDS 64  // where in a place processor 0 has its word; each processor has 8 bytes

#define INIT 0x4500
#define STARTUP 0x4600

#define PROTECTED 1  // CR0.PE
#define PAGING 0x80000000  // CR0.PG
#define PHYSICAL_ADDRESS_EXTENSION 0x20  // CR4.PAE
#define EFER 0xc0000080
#define LONG_MODE 0x100  // EFER.LME
#define ROOT_TABLE 0x1000

begin watch, 64
    mov r12d, edx  // processors
    cmp qword ptr [TABLE_COUNT], 0
    je finish
    cmp r12d, 1
    je 2f

    mov edi, APIC
    mov dword ptr [rdi + APIC_SPURIOUS_VECTOR], 0x1ff  // enabled
    lea r14, [rip + trampoline]
    shr r14, 12
    or r14d, STARTUP
    mov r13d, 1  // the next one to start
1:  mov eax, r13d
    shl eax, 24
    mov [rdi + APIC_COMMAND_HIGH], eax
    mov dword ptr [rdi + APIC_COMMAND_LOW], INIT
    mov [rdi + APIC_COMMAND_LOW], r14d
    inc r13d
    cmp r13d, r12d
    jb 1b

2:  xor eax, eax  // processor 0
    call watch_table
3:  pause
    mov eax, [rip + stopped]  // the others, when they have seen the end
    inc eax
    cmp eax, r12d
    jb 3b
finish:
    exit 0

other_processor:
    mov eax, 1
    cpuid
    shr ebx, 24
    mov eax, ebx
    lea rsp, [rip + stacks_end]  // each has its own, of 64 bytes
    shl ebx, 6
    sub rsp, rbx
    call watch_table
    lock inc dword ptr [rip + stopped]
4:  cli
    hlt
    jmp 4b

// Goes through the table as processor eax, over and over, until the monitor says stop.
watch_table:
    lea r13d, [8 * eax + OWN_WORDS]
    mov r14d, eax
    shl r14d, RESULT_SHIFT
    add r14d, RESULTS
    xor r11d, r11d  // what was written last
    cmp dword ptr [TABLE_WORK], HALT
    je halt
    cmp dword ptr [TABLE_WORK], WALK
    je walk
round:
    mov ebx, ENTRIES
    mov rbp, [TABLE_COUNT]
entry:
    cmp dword ptr [TABLE_STOP], 0
    jne end_of_watch
    mov r8d, [rbx + SEQUENCE]
    test r8b, 1
    jnz next
    mov r9d, [rbx + STATE]
    mov r10d, [rbx + LABEL]
    mov rdi, [rbx + PLACE]
    mov eax, [rdi]
    cmp r9d, REGISTER
    je 1f
    inc r11d
    mov [rdi + r13], r11d
    mov edx, [rdi + r13]
1:  cmp r8d, [rbx + SEQUENCE]
    jne next  // it has changed meanwhile: what was read proves nothing
    inc qword ptr [r14 + CHECKS]
    cmp eax, r10d
    jne wrong
    cmp r9d, WRITABLE
    je 2f
    cmp r9d, REGISTER
    je next
    cmp r9d, READ_ONLY
    je 3f
    cmp edx, -1
    jne wrong
    jmp next
2:  cmp edx, r11d
    jne wrong
    jmp next
3:  cmp edx, r11d
    je wrong
next:
    add ebx, ENTRY_SIZE
    dec rbp
    jnz entry
    inc qword ptr [r14 + ROUNDS]
    jmp round

wrong:
    cmp qword ptr [r14 + ERRORS], 0
    jne 1f
    mov [r14 + BAD_PLACE], rdi
    mov [r14 + BAD_WORD], eax
    mov [r14 + BAD_ECHO], edx
    mov [r14 + BAD_LABEL], r10d
    mov [r14 + BAD_STATE], r9d
1:  inc qword ptr [r14 + ERRORS]
    jmp next

// Interrupts are on, though none come: so the monitor does not take the processors for halted for good.
halt:
    inc qword ptr [r14 + CHECKS]
1:  sti
    hlt
    jmp 1b

walk:
    mov rbx, [WALK_FIRST]
1:  cmp dword ptr [TABLE_STOP], 0
    jne end_of_watch
    inc qword ptr [rbx + r13]
    inc qword ptr [r14 + CHECKS]
    add rbx, 4096
    cmp rbx, [WALK_END]
    jb 1b
    jmp walk

end_of_watch:
    ret

stopped:
    .long 0  // processors other than the first that have seen the end

// Where the others start, in real mode, with CS = page * 256 and IP = 0: straight to long mode, with the page tables of
// the first (SDM volume 3, "Initializing IA-32e Mode").
    .balign 4096
trampoline:
    .code16
    mov ax, cs
    mov ds, ax
    lgdt [gdt_offset]
    mov eax, PHYSICAL_ADDRESS_EXTENSION
    mov cr4, eax
    mov eax, ROOT_TABLE
    mov cr3, eax
    mov ecx, EFER
    xor edx, edx
    mov eax, LONG_MODE
    wrmsr
    mov eax, cr0
    or eax, PAGING | PROTECTED
    mov cr0, eax
    .byte 0x66, 0xea  // ljmp CODE_SELECTOR:in_long_mode
    .long LOAD_ADDRESS + in_long_mode - start
    .word CODE_SELECTOR
    .code64
in_long_mode:
    mov eax, CODE_SELECTOR + 8
    mov ds, eax
    mov es, eax
    mov ss, eax
    jmp other_processor

gdt:
    .word 23  // the first processor's: null, code, data
    .long 0x500
    .set gdt_offset, gdt - trampoline

    .balign 64
    .skip 64 * 256
stacks_end:
end watch
