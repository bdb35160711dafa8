// An initial RAM disk for Linux. Its only program prints the files of each PCI function in sysfs, and switches the machine off.
// It prints to memory that the machine has beside its RAM, so that printing makes no exits. The output has a line
// `== ADDRESS FILE` before the bytes of each file in hexadecimal, and a zero byte at the end.
//
// The disk is an archive of the kind `newc` (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). The program
// is a static ELF file. Its system calls are those of Linux on x86-64.

#include "guest.h"

#define BASE 0x400000
#define DIRECTORY 0x401000  // the entries of a directory
#define DIRECTORY_SIZE 0x8000
#define PATH 0x409000
#define DATA 0x40a000  // the contents of a file
#define DATA_SIZE 0x1000
#define MEMORY_SIZE 0x10000
#define NEXT 0x400ff8  // the place of the next character
#define OUTPUT 0xb0000000
#define OUTPUT_SIZE 0x1000000
#define PROGRAM_SIZE 0x400  // a constant, because the archive has it in hexadecimal letters

#define SYS_READ 0
#define SYS_OPEN 2
#define SYS_CLOSE 3
#define SYS_MMAP 9
#define SYS_MKDIR 83
#define SYS_MOUNT 165
#define SYS_REBOOT 169
#define SYS_MKNOD 133
#define SYS_GETDENTS64 217
#define O_DIRECTORY 0x10000

// The head of a file in the archive: thirteen numbers of eight digits. The second is the mode, the seventh the size, and the
// twelfth the length of the name with its zero byte.
.macro head mode, size, length
    .ascii "07070100000000", "\mode", "000000000000000000000001"
    .ascii "00000000", "\size", "00000000000000000000000000000000", "\length", "00000000"
.endm

    begin linux_init, 64
    head "000081ed", "00000400", "00000005"
    .asciz "init"
    .balign 4

program:
    .byte 0x7f
    .ascii "ELF"
    .byte 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0  // 64 bits, least significant byte first, version 1
    .short 2, 62                              // ET_EXEC, EM_X86_64
    .long 1
    .quad BASE + main - program
    .quad 64, 0  // program headers right after this header, no sections
    .long 0
    .short 64, 56, 1, 0, 0, 0
    .long 1, 7   // PT_LOAD; may be read, written and executed
    .quad 0, BASE, BASE, PROGRAM_SIZE, MEMORY_SIZE, 0x1000

main:
    mov eax, SYS_MKDIR
    lea rdi, [rip + sys]
    mov esi, 0755
    syscall
    mov eax, SYS_MOUNT
    lea rdi, [rip + sysfs]
    lea rsi, [rip + sys]
    mov rdx, rdi
    xor r10d, r10d
    xor r8d, r8d
    syscall
    mov eax, SYS_MKNOD
    lea rdi, [rip + memory]
    mov esi, 020600  // a character device
    mov edx, 0x101   // numbers 1 and 1
    syscall
    mov eax, SYS_OPEN
    lea rdi, [rip + memory]
    mov esi, 2  // O_RDWR
    syscall
    mov r8d, eax
    mov eax, SYS_MMAP
    xor edi, edi
    mov esi, OUTPUT_SIZE
    mov edx, 3   // PROT_READ, PROT_WRITE
    mov r10d, 1  // MAP_SHARED
    mov r9d, OUTPUT
    syscall
    cmp rax, -4096
    ja off
    mov [NEXT], rax
    lea rdi, [rip + devices]
    mov esi, O_DIRECTORY
    mov eax, SYS_OPEN
    xor edx, edx
    syscall
    mov ebp, eax
next_entries:
    mov eax, SYS_GETDENTS64
    mov edi, ebp
    mov esi, DIRECTORY
    mov edx, DIRECTORY_SIZE
    syscall
    test rax, rax
    jle off
    mov r12d, DIRECTORY  // r12: the entry; r13: the end of the entries
    lea r13, [r12 + rax]
next_entry:
    lea r14, [r12 + 19]  // r14: d_name
    cmp byte ptr [r14], '.'
    je skip
    lea r15, [rip + config]
    call print
    lea r15, [rip + resource]
    call print
skip:
    movzx eax, word ptr [r12 + 16]  // d_reclen
    add r12, rax
    cmp r12, r13
    jb next_entry
    jmp next_entries
off:
    mov eax, SYS_REBOOT
    mov edi, 0xfee1dead
    mov esi, 672274793
    mov edx, 0x4321fedc  // LINUX_REBOOT_CMD_POWER_OFF
    syscall
    jmp off

// Prints the file with the name r15 of the function with the name r14.
print:
    mov edi, PATH
    lea rsi, [rip + devices]
    call append
    mov al, '/'
    stosb
    mov rsi, r14
    call append
    mov al, '/'
    stosb
    mov rsi, r15
    call append
    mov byte ptr [rdi], 0
    mov eax, SYS_OPEN
    mov edi, PATH
    xor esi, esi
    xor edx, edx
    syscall
    mov ebx, eax
    xor eax, eax  // SYS_READ
    mov edi, ebx
    mov esi, DATA
    mov edx, DATA_SIZE
    syscall
    push rax
    mov eax, SYS_CLOSE
    mov edi, ebx
    syscall
    mov rdi, [NEXT]
    lea rsi, [rip + mark]
    call append
    mov rsi, r14
    call append
    mov al, ' '
    stosb
    mov rsi, r15
    call append
    mov al, '\n'
    stosb
    pop rcx
    mov esi, DATA
    test rcx, rcx
    jle printed
next_byte:
    lodsb
    mov ah, al
    shr al, 4
    call digit
    mov al, ah
    and al, 15
    call digit
    dec rcx
    jnz next_byte
printed:
    mov al, '\n'
    stosb
    mov byte ptr [rdi], 0
    mov [NEXT], rdi
    ret

// Appends the hexadecimal digit of al at rdi.
digit:
    cmp al, 10
    jb decimal
    add al, 'a' - 10 - '0'
decimal:
    add al, '0'
    stosb
    ret

// Appends the string at rsi, which ends in a zero byte, at rdi.
append:
    lodsb
    test al, al
    jz appended
    stosb
    jmp append
appended:
    ret

sys:
    .asciz "/sys"
memory:
    .asciz "/mem"
sysfs:
    .asciz "sysfs"
devices:
    .asciz "/sys/bus/pci/devices"
config:
    .asciz "config"
resource:
    .asciz "resource"
mark:
    .asciz "\n== "
    .org program + PROGRAM_SIZE

    head "00000000", "00000000", "0000000b"
    .asciz "TRAILER!!!"
    .balign 4
    end linux_init
