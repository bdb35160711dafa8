// Macros for guests that check a PCI function. A guest ends with the number of the check that failed. R15D holds the number of
// the present check. R8D holds the function, as the value for CONFIG_ADDRESS without a register.

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000
#define MEMORY_BAR 0x10

// Sets the number of the checks that follow.
.macro check number
    mov r15d, \number
.endm

// Goes on only if VALUE is EXPECTED.
.macro expect value, expected
    cmp \value, \expected
    jne failed
.endm

// Reads REGISTER of the PCI function in R8D into AL, AX or EAX. Clobbers RAX and RDX.
.macro config register, into
    lea eax, [r8 + \register]
    mov dx, CONFIG_ADDRESS
    out dx, eax
    mov dx, CONFIG_DATA
    in \into, dx
.endm
