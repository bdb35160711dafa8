// The code with which processors watch the places of a table, and with which all processors are started. This is code: include
// it inside the image, after the end of the program. `watch` explains the table, and watch.h has its numbers.

// Starts processors 1 to r12d - 1. Each watches the table until the monitor says stop, and then counts itself in `stopped`.
// Enables the local APIC. Clobbers rax, rdi, r13 and r14.
start_processors:
    mov edi, APIC
    mov dword ptr [rdi + APIC_SPURIOUS_VECTOR], 0x1ff  // enabled
    lea r14, [rip + trampoline]
    shr r14, 12
    or r14d, STARTUP
    mov r13d, 1  // the next processor to start
1:  cmp r13d, r12d
    jae 2f
    mov eax, r13d
    shl eax, 24
    mov [rdi + APIC_COMMAND_HIGH], eax
    mov dword ptr [rdi + APIC_COMMAND_LOW], INIT
    mov [rdi + APIC_COMMAND_LOW], r14d
    inc r13d
    jmp 1b
2:  ret

other_processor:
    mov eax, 1
    cpuid
    shr ebx, 24
    mov eax, ebx
    lea rsp, [rip + stacks_end]  // each processor has its own stack, of 64 bytes
    shl ebx, 6
    sub rsp, rbx
    call watch_table
    lock inc dword ptr [rip + stopped]
4:  cli
    hlt
    jmp 4b

// Goes through the table as processor eax, over and over, until the monitor says stop.
watch_table:
    call begin_watch
    cmp dword ptr [TABLE_WORK], HALT
    je halt
    cmp dword ptr [TABLE_WORK], WALK
    je walk
1:  call watch_round
    jnc 1b
    ret

// Interrupts are on, although none come, so that the monitor does not take the processors for halted forever.
halt:
    inc qword ptr [r14 + CHECKS]
1:  sti
    hlt
    jmp 1b

walk:
    mov rbx, [WALK_FIRST]
1:  cmp dword ptr [TABLE_STOP], 0
    jne 2f
    inc qword ptr [rbx + r13]
    inc qword ptr [r14 + CHECKS]
    add rbx, 4096
    cmp rbx, [WALK_END]
    jb 1b
    jmp walk
2:  ret

// Prepares the rounds of processor eax. The state of the rounds is in r11, r13 and r14.
begin_watch:
    lea r13d, [8 * eax + OWN_WORDS]
    mov r14d, eax
    shl r14d, RESULT_SHIFT
    add r14d, RESULTS
    xor r11d, r11d  // the value that was written last
    ret

// Goes through the table once. The carry flag is set if the monitor says stop. Clobbers rax, rbx, rdx, rdi, rbp and r8 to r10.
watch_round:
    mov ebx, ENTRIES
    mov rbp, [TABLE_COUNT]
    test rbp, rbp
    jz 4f
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
    jne next  // the place has changed meanwhile, so the values that were read prove nothing
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
4:  inc qword ptr [r14 + ROUNDS]
    cmp dword ptr [TABLE_STOP], 0
    jne end_of_watch
    clc
    ret

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

end_of_watch:
    stc
    ret

stopped:
    .long 0  // the number of processors, without the first, that have seen the end

// The code with which the other processors start, in real mode, with CS = page * 256 and IP = 0. It goes straight to long mode,
// with the page tables of the first processor (SDM volume 3, "Initializing IA-32e Mode").
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
    .word 23  // the first processor's table: null, code, data
    .long 0x500
    .set gdt_offset, gdt - trampoline

    .balign 64
    .skip 64 * 256
stacks_end:
