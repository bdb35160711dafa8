// The first instructions of a guest in C: they call main, and end the run with what it returns.
//
// The monitor starts the guest in 64-bit long mode with a stack of 16 KiB, and all memory is mapped at its own address. EDI and
// ESI, the first parameters of main, say how many pages of RAM there are below 3 GiB and above 4 GiB, EDX how many vCPUs.

    .globl start
start:
    call main
    out %al, $0xf4
1:  hlt
    jmp 1b

    .section .note.GNU-stack, "", @progbits
