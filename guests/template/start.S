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

    .section .note.GNU-stack, "", @progbits
