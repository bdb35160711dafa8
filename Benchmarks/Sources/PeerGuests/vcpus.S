// A guest of several vCPUs. It is loaded at 0x10000 and begins there in protected mode on the first vCPU, which starts the
// others. Each vCPU takes a number, reads the port FIRST_PORT + number * STRIDE as often as COUNT says, and halts. The last one
// ends the run.

.intel_syntax noprefix

#define LOAD_ADDRESS 0x10000
#define OTHERS 0x1000
#define FIRST_PORT 0x700
#define EXIT 0xf4
#define APIC 0xfee00000

// The offsets of the three numbers that the benchmark fills in, and of the counts of vCPUs that have begun and ended.
#define COUNT 8
#define VCPUS 12
#define STRIDE 16
#define BEGUN 20
#define ENDED 24

    .section .rodata
    .balign 16
    .globl peer_vcpus
    .hidden peer_vcpus
    .code32
peer_vcpus:
    jmp start

    .org peer_vcpus + ENDED + 4, 0

// The work of a vCPU. The image lies at BASE of its data segment.
.macro reads base
    mov eax, 1
    lock xadd dword ptr [\base + BEGUN], eax
    imul eax, dword ptr [\base + STRIDE]
    lea edx, [eax + FIRST_PORT]
    mov ecx, dword ptr [\base + COUNT]
0:  in al, dx
    dec ecx
    jnz 0b
    mov eax, 1
    lock xadd dword ptr [\base + ENDED], eax
    inc eax
    cmp eax, dword ptr [\base + VCPUS]
    jne 1f
    mov al, 0
    out EXIT, al
1:  hlt
    jmp 1b
.endm

start:
    cmp dword ptr [LOAD_ADDRESS + VCPUS], 1
    je first
    mov edi, APIC
    mov dword ptr [edi + 0xf0], 0x1ff  // spurious interrupt vector: the APIC is on
    mov dword ptr [edi + 0x300], 0xc4500  // INIT to all but this one
    mov dword ptr [edi + 0x300], 0xc4600 + (LOAD_ADDRESS + OTHERS) / 0x1000  // start-up IPI
first:
    reads LOAD_ADDRESS

    .org peer_vcpus + OTHERS, 0
    .code16
    mov ax, LOAD_ADDRESS / 16
    mov ds, ax
    reads 0
    .org peer_vcpus + 0x1100, 0

    .section .note.GNU-stack, "", @progbits
