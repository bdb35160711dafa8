// The first instructions of a guest in C. They call main, and end the run with the value that it returns.
//
// The monitor starts the guest in 64-bit long mode with a stack of 16 KiB. All memory is mapped at its own address. The
// parameters of main are the number of pages of RAM below 3 GiB (EDI), the number of those above 4 GiB (ESI), and the number of
// vCPUs (EDX).

    .globl start
start:
    call main
    out %al, $0xf4
1:  hlt
    jmp 1b

// A compiler may call these four functions for a loop or an assignment of much memory, so each guest in C has them.
    .globl memcpy, memmove, memset, memcmp
memmove:
    mov %rdi, %rax
    sub %rsi, %rax
    cmp %rdx, %rax          // Does the destination begin within the source?
    jb 2f
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    rep movsb
    ret
2:  mov %rdi, %rax          // Then the bytes are copied from the last to the first.
    mov %rdx, %rcx
    lea -1(%rdi,%rdx), %rdi
    lea -1(%rsi,%rdx), %rsi
    std
    rep movsb
    cld
    ret
memset:
    mov %rdi, %r8
    mov %esi, %eax
    mov %rdx, %rcx
    rep stosb
    mov %r8, %rax
    ret
memcmp:
    xor %eax, %eax
    mov %rdx, %rcx
    cmp %eax, %eax          // Equal, if there are no bytes.
    repe cmpsb
    je 3f
    movzbl -1(%rdi), %eax
    movzbl -1(%rsi), %ecx
    sub %ecx, %eax
3:  ret

    .section .note.GNU-stack, "", @progbits
