// Checks the devices that test kernels expect: ports and memory that keep what is written to them, the firmware's configuration
// device, interrupt lines that a port raises, and the PCI test device with its six ways to count writes.
//
// Each check has a number, which is the exit status if the check fails.

#include "guest.h"
#include "checks.h"

#define TEST_PORTS 0xe0
#define FLUSH_PORT 0xe4
#define LINE_PORTS 0x2000
#define SCRATCH_MEMORY 0xff000000
#define SCRATCH_SIZE 0x10000

#define FIRMWARE_SELECT 0x510
#define FIRMWARE_SIGNATURE 0x00
#define FIRMWARE_RAM_SIZE 0x03
#define FIRMWARE_PROCESSORS 0x05
#define FIRMWARE_MOST_PROCESSORS 0x0f
#define FIRMWARE_FILES 0x19

#define PIC_COMMAND 0x20
#define READ_REQUESTS 0x0a  // OCW3: reads of PIC_COMMAND give the lines that request service
#define LINE 5

#define TEST_DEVICE 0x00051b36  // device 5 of vendor 0x1b36
#define PORT_BAR 0x14

// The header at the beginning of both BARs of the test device.
#define TEST 0
#define WIDTH 1
#define OFFSET 4
#define DATA 8
#define COUNT 12
#define NAME 16

#define WRITES 16

// Selects an item of the firmware's configuration, and reads BYTES of it into RAX. Clobbers RBX, RCX and RDX.
.macro firmware item, bytes
    mov ax, \item
    mov ecx, \bytes
    call read_firmware
.endm

begin testdev, 64
    lea r13, [rdi + rsi]
    shl r13, 12  // the bytes of RAM
    mov r14d, edx  // the number of processors

    check 1
    mov eax, 0x12345678
    out TEST_PORTS, eax
    xor eax, eax
    in eax, TEST_PORTS
    expect eax, 0x12345678
    in al, TEST_PORTS + 1
    expect al, 0x56
    in ax, TEST_PORTS + 2
    expect ax, 0x1234
    mov al, 0x9a
    out TEST_PORTS + 3, al
    mov ax, 0xdef0
    out TEST_PORTS, ax
    in eax, TEST_PORTS
    expect eax, 0x9a34def0
    out FLUSH_PORT, eax

    check 2
    firmware FIRMWARE_SIGNATURE, 4
    expect eax, 0x554d4551  // "QEMU"
    firmware FIRMWARE_RAM_SIZE, 8
    expect rax, r13
    firmware FIRMWARE_PROCESSORS, 2
    expect eax, r14d
    firmware FIRMWARE_MOST_PROCESSORS, 2
    expect eax, r14d
    firmware FIRMWARE_FILES, 4
    expect eax, 0
    firmware 0x1234, 8  // no such item
    expect rax, 0

    check 3
    mov ebx, SCRATCH_MEMORY
    mov rax, 0x0123456789abcdef
    mov [rbx], rax
    mov [rbx + SCRATCH_SIZE - 8], rax
    mov rcx, [rbx + SCRATCH_SIZE - 8]
    expect rcx, rax
    mov ecx, [rbx + 4]
    expect ecx, 0x01234567
    mov cx, [rbx + 2]
    expect cx, 0x89ab
    mov byte ptr [rbx + 1], 0x55
    mov rcx, [rbx]
    mov rax, 0x0123456789ab55ef
    expect rcx, rax
    mov rcx, [rbx + SCRATCH_SIZE]  // past the end
    expect rcx, -1

    check 4
    mov al, READ_REQUESTS
    out PIC_COMMAND, al
    in al, PIC_COMMAND
    test al, 1 << LINE
    jnz failed
    mov al, 1
    mov dx, LINE_PORTS + LINE
    out dx, al
    in al, PIC_COMMAND
    test al, 1 << LINE
    jz failed
    xor eax, eax
    out dx, al

    check 5
    mov r8d, CONFIG_ENABLE
next_device:
    config 0, eax
    cmp eax, TEST_DEVICE
    je found
    add r8d, 1 << 11
    cmp r8d, CONFIG_ENABLE | 1 << 16  // bus 1
    jb next_device
    jmp failed
found:
    config 2, ax  // the low bits of a register are first in CONFIG_ADDRESS, as in some test kernels, and then in the data port
    expect ax, 5
    config 1, al
    expect al, 0x1b
    config 0, eax
    mov dx, CONFIG_DATA + 2
    in ax, dx
    expect ax, 5

    check 6
    config MEMORY_BAR, eax
    mov ebx, eax
    and ebx, ~15
    jz failed
    xor r12d, r12d
    call all_tests
    config PORT_BAR, eax
    mov ebx, eax
    and ebx, ~3
    jz failed
    mov r12d, 1
    call all_tests
    exit 0

failed:
    print failed_text
    exit r15b

// Runs the three tests of the BAR at EBX, which is among the ports if R12D is 1. Clobbers all but R8 and R12 to R15.
all_tests:
    xor r9d, r9d
next_test:
    mov eax, r9d
    mov ecx, TEST
    call poke
    mov ecx, WIDTH
    call peek
    test al, al
    jz tests_end
    expect al, 1
    mov ecx, COUNT
    call peek
    expect eax, 0
    mov ecx, NAME
say:
    call peek
    mov dx, SERIAL_DATA
    inc ecx
    test al, al
    jz said
    out dx, al
    jmp say
said:
    mov al, '\n'
    out dx, al

    mov ecx, DATA
    call peek
    mov r10d, eax
    mov ecx, OFFSET
    call peek
    mov ecx, eax
    mov esi, WRITES
again:
    mov eax, r10d
    call poke
    dec esi
    jnz again
    xor eax, 1  // wrong data, which only the second test counts
    call poke
    mov ecx, COUNT
    call peek
    cmp r9d, 1
    jne 1f
    dec eax
1:  expect eax, WRITES
    inc r9d
    jmp next_test
tests_end:
    expect r9d, 3
    ret

// Writes AL at offset ECX of the BAR. Clobbers EDX.
poke:
    test r12d, r12d
    jnz 1f
    mov [rbx + rcx], al
    ret
1:  lea edx, [rbx + rcx]
    out dx, al
    ret

// Reads four bytes at offset ECX of the BAR into EAX. Clobbers EDX.
peek:
    test r12d, r12d
    jnz 1f
    mov eax, [rbx + rcx]
    ret
1:  lea edx, [rbx + rcx]
    in eax, dx
    ret

// Reads ECX bytes of the item AX into RAX.
read_firmware:
    mov dx, FIRMWARE_SELECT
    out dx, ax
    inc edx
    mov edi, ecx
    xor ebx, ebx
    xor ecx, ecx
1:  in al, dx
    movzx eax, al
    shl rax, cl
    or rbx, rax
    add ecx, 8
    dec edi
    jnz 1b
    mov rax, rbx
    ret

string failed_text, "a check failed\n"
end testdev
