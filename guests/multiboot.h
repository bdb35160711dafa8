// The common part of `multiboot` and `multiboot-32`: the text of a kernel that prints what its loader told it, and then starts
// all processors. It is assembled for 64 or for 32 bits, so it uses only instructions that both have, and 32-bit addresses.
//
// Sections are those of the Multiboot Specification 0.6.96. BITS, GUEST_MODE ("64-bit long") and the container around the
// kernel come from the file that includes this one.

#define BOOT_MAGIC 0x2badb002  // in EAX. EBX points to the information (3.2)

// The information structure (3.3).
#define MEMORY_LOWER 4
#define MEMORY_UPPER 8
#define COMMAND_LINE 16
#define MODULES_COUNT 20
#define MODULES 24
#define MAP_LENGTH 44
#define MAP 48
#define LOADER_NAME 64

#define FIRMWARE_SELECT 0x510
#define FIRMWARE_PROCESSORS 5

#define APIC_ID 0x20
#define ALL_BUT_SELF 0xc0000
#define INIT 0x4500  // as in smp.S
#define STARTUP 0x4600

#define DATA_SELECTOR 0x10
#define CODE64_SELECTOR 0x18

// Defines NAME_at as the address of the label NAME in the loaded image.
.macro address name
    .set \name\()_at, LOAD_ADDRESS + \name - start
.endm

// Prints the string whose 32-bit address is in memory at POINTER.
.macro say_pointer pointer:vararg
    mov esi, dword ptr [\pointer]
    call say
.endm

// Prints the 32-bit number in memory at VALUE.
.macro say_value value:vararg
    mov eax, dword ptr [\value]
    call say_number
.endm

// The kernel itself. EBP points to the information, and there is a stack.
.macro kernel
    print loader_text
    say_pointer ebp + LOADER_NAME
    print command_text
    say_pointer ebp + COMMAND_LINE
    print memory_text
    say_value ebp + MEMORY_LOWER
    say_value ebp + MEMORY_UPPER

    mov edi, [ebp + MAP]
    mov eax, [ebp + MAP_LENGTH]
    add eax, edi
    mov [left_at], eax  // the end of the map
1:  cmp edi, [left_at]
    jae 2f
    print map_text
    say_value edi + 8  // an entry has 4 bytes with its size, then base, length and type
    say_value edi + 4
    say_value edi + 16
    say_value edi + 12
    say_value edi + 20
    mov eax, [edi]
    lea edi, [edi + eax + 4]
    jmp 1b

2:  mov edi, [ebp + MODULES]
    mov eax, [ebp + MODULES_COUNT]
    mov [left_at], eax  // the number of modules that are left
3:  cmp dword ptr [left_at], 0
    je 6f
    print module_text
    say_value edi
    mov eax, [edi + 4]
    sub eax, [edi]
    mov ecx, eax
    call say_number
    mov esi, [edi]  // computes the sum of the module's bytes
    mov ecx, [edi + 4]
    xor eax, eax
4:  cmp esi, ecx
    jae 5f
    movzx ebx, byte ptr [esi]
    add eax, ebx
    inc esi
    jmp 4b
5:  call say_number
    mov al, ' '
    out dx, al
    say_pointer edi + 8
    add edi, 16
    dec dword ptr [left_at]
    jmp 3b

    // The other processors start in the first page, which the kernel may overwrite. The firmware's configuration device tells
    // how many processors there are.
6:  mov esi, offset trampoline_at
    xor edi, edi
    mov ecx, offset trampoline_length
    rep movsb
    mov eax, FIRMWARE_PROCESSORS
    mov dx, FIRMWARE_SELECT
    out dx, ax
    inc edx
    in al, dx
    mov bl, al
    in al, dx
    mov bh, al
    movzx ebx, bx
    mov edi, APIC
    mov dword ptr [edi + APIC_SPURIOUS_VECTOR], 0x1ff  // enabled
    mov eax, [edi + APIC_ID]
    shr eax, 24
    lock bts dword ptr [here_at], eax
    mov dword ptr [edi + APIC_COMMAND_LOW], ALL_BUT_SELF | INIT
    mov dword ptr [edi + APIC_COMMAND_LOW], ALL_BUT_SELF | STARTUP
7:  pause
    cmp [count_at], ebx
    jb 7b
    print processors_text
    say_value count_at
    say_value here_at
    print mode_text
    xor eax, eax
    out EXIT_PORT, eax  // four bytes

// Prints the string at ESI, which ends in a zero byte. Clobbers EAX and EDX.
say:
    mov dx, SERIAL_DATA
8:  lodsb
    test al, al
    jz 9f
    out dx, al
    jmp 8b
9:  ret

// Prints " 0x" and the eight digits of EAX. Clobbers EAX, EBX, ECX and EDX.
say_number:
    mov ebx, eax
    print number_text
    mov ecx, 8
10: rol ebx, 4
    mov al, bl
    and al, 15
    cmp al, 10
    jb 11f
    add al, 'a' - '0' - 10
11: add al, '0'
    out dx, al
    dec ecx
    jnz 10b
    ret
.endm

// The end of the way of another processor: it notes its APIC number, counts itself, and halts.
.macro arrive
    mov edi, APIC  // a number of 32 bits in memory would be sign-extended in long mode
    mov eax, [edi + APIC_ID]
    shr eax, 24
    lock bts dword ptr [here_at], eax
    lock inc dword ptr [count_at]
12: cli
    hlt
    jmp 12b
.endm

// The data of the kernel, and the code with which the other processors start: in real mode, at address 0, from where it jumps
// to `others`.
.macro kernel_data
string loader_text, "loader "
string command_text, "\ncommand line "
string memory_text, "\nmemory"
string map_text, "\nmap"
string module_text, "\nmodule"
string processors_text, "\nprocessors"
string mode_text, "\nmode ", GUEST_MODE, "\n"
string number_text, " 0x"

    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
here:
    .long 0  // a bit for each APIC number
count:
    .long 1
left:
    .long 0
    address left
    address gdt
    address here
    address count

trampoline:
    .code16
    cli
    xor ax, ax
    mov ds, ax
    lgdt [gdt_pointer_offset]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea  // jmp CODE_SELECTOR:others
    .long others_at
    .word CODE_SELECTOR
gdt_pointer:
    .word 4 * 8 - 1
    .long gdt_at
    .set gdt_pointer_offset, gdt_pointer - trampoline
    .set trampoline_length, . - trampoline
    address trampoline
    address others
.endm

// Loads the data segments. Clobbers EAX.
.macro load_segments
    mov eax, DATA_SELECTOR
    mov ds, eax
    mov es, eax
    mov ss, eax
.endm
