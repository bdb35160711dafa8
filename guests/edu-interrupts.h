// The interrupts of `edu`, by its line and by messages, and its access to configuration space. This is code: include it inside
// the image, after the end of the program.

#define INTERRUPT_LINE 0x3c
#define CAPABILITIES 0x34
#define MSI 0x05
#define MSI_ENABLE 0x10000  // in the first 32 bits of the capability
#define MSI_IS_64BIT 0x800000
#define LINE_VECTOR 0x20
#define MSI_VECTOR 0x21
#define IOAPIC_SELECT 0xfec00000
#define IOAPIC_WINDOW 0x10
#define LEVEL_TRIGGERED 0x8000
#define PIC_MASK_1 0x21
#define PIC_MASK_2 0xa1
#define ROUNDS 10

// Raises the interrupt line ROUNDS times. Clobbers RAX, RCX and RDX.
raise_by_line:
    mov ecx, INTERRUPT_LINE
    call read_config
    movzx eax, al
    lea ecx, [rax + rax + 0x10]  // the redirection entry of the pin
    mov edx, IOAPIC_SELECT
    mov [rdx], ecx
    mov dword ptr [rdx + IOAPIC_WINDOW], LEVEL_TRIGGERED | LINE_VECTOR
    mov ecx, ROUNDS
1:  mov dword ptr [rbx + RAISE], 1
2:  sti  // no HLT: QEMU's SVM loses the state in which STI keeps interrupts off for one more instruction
    pause
    cli
    cmp dword ptr [rip + line_count], 0
    je 2b
    dec dword ptr [rip + line_count]
    dec ecx
    jnz 1b
    ret

// Finds the MSI capability, leaves its offset in R10D, and enables MSI. Clobbers RAX, RCX and RDX.
enable_msi:
    config CAPABILITIES, al
    movzx r10d, al
1:  test r10d, r10d
    jz failed
    mov ecx, r10d
    call read_config
    cmp al, MSI
    je 2f
    movzx eax, ah
    mov r10d, eax
    jmp 1b
2:  mov r11d, eax
    mov eax, APIC
    lea ecx, [r10 + 4]
    call write_config
    xor eax, eax
    lea ecx, [r10 + 8]
    test r11d, MSI_IS_64BIT
    jz 3f
    call write_config
    lea ecx, [r10 + 12]
3:  mov eax, MSI_VECTOR
    call write_config
    mov eax, r11d
    or eax, MSI_ENABLE
    configure r10d
    ret

disable_msi:
    mov ecx, r10d
    call read_config
    and eax, ~MSI_ENABLE
    configure r10d
    ret

// Raises the message ROUNDS times. Clobbers RCX.
raise_by_message:
    mov ecx, ROUNDS
1:  mov dword ptr [rbx + RAISE], 1
    call wait_for_message
    dec ecx
    jnz 1b
    ret

wait_for_message:
1:  cmp dword ptr [rip + message_count], 0
    jne 2f
    sti
    pause
    cli
    jmp 1b
2:  dec dword ptr [rip + message_count]
    ret

// Read and write the 32 bits at offset ECX of the configuration space of the function in R8D, to and from EAX. Clobber RDX.
read_config:
    lea eax, [r8 + rcx]
    mov dx, CONFIG_ADDRESS
    out dx, eax
    mov dx, CONFIG_DATA
    in eax, dx
    ret
write_config:
    push rax
    lea eax, [r8 + rcx]
    mov dx, CONFIG_ADDRESS
    out dx, eax
    pop rax
    mov dx, CONFIG_DATA
    out dx, eax
    ret

// Fills the two gates, enables the local APIC at R14, and masks the old interrupt controllers.
set_up_interrupts:
    lea rax, [rip + line_handler]
    lea rdi, [rip + gates]
    call fill_gate
    lea rax, [rip + message_handler]
    lea rdi, [rip + gates + 16]
    call fill_gate
    lea rax, [rip + idt]
    mov [rip + idt_base], rax
    lidt [rip + idt_register]
    mov al, 0xff
    out PIC_MASK_1, al
    out PIC_MASK_2, al
    mov dword ptr [r14 + APIC_SPURIOUS_VECTOR], 0x1ff
    ret

// Writes the address RAX into the gate at RDI.
fill_gate:
    mov [rdi], ax
    shr rax, 16
    mov [rdi + 6], ax
    shr rax, 16
    mov [rdi + 8], eax
    ret

// The device holds its line until all causes are acknowledged. RBX is the address of the BAR whenever interrupts are on.
line_handler:
    push rax
    mov eax, [rbx + RAISED]
    test eax, eax
    jz 1f  // the interrupt has been handled already
    mov [rbx + ACKNOWLEDGE], eax
    inc dword ptr [rip + line_count]
1:  mov dword ptr [r14 + APIC_END_OF_INTERRUPT], 0
    pop rax
    iretq
message_handler:
    push rax
    mov eax, [rbx + RAISED]
    mov [rbx + ACKNOWLEDGE], eax
    inc dword ptr [rip + message_count]
    mov dword ptr [r14 + APIC_END_OF_INTERRUPT], 0
    pop rax
    iretq

line_count:
    .long 0
message_count:
    .long 0

    .balign 16
idt:
    .skip LINE_VECTOR * 16
gates:
    .rept 2
    .short 0, CODE_SELECTOR, 0x8e00, 0
    .long 0, 0
    .endr
idt_register:
    .short idt_register - idt - 1
idt_base:
    .quad 0
