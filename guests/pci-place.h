// The part of `pci` that places BARs, ROMs and windows. This is code: include it inside the image, after the end of the
// program.

// Places the memory BARs and the ROM of function rbx, with decode off, and then switches decode on. A BAR that finds no space
// stays where it is. 64-bit BARs go to the high region, or to the low one if the high one is full. Behind a bridge, only
// prefetchable BARs get 64-bit addresses. If there are bridges, the addresses of each bus begin at a multiple of 1 MiB, because
// the windows of bridges begin and end at such multiples.
place_function:
    mov eax, [rbx + RECORD_ECAM]
    shr eax, 20
    movzx r13d, byte ptr [rax + BEHIND_BRIDGE]
    cmp eax, [rip + last_bus]
    je 1f
    mov [rip + last_bus], eax
    cmp dword ptr [rip + bridges_count], 0
    je 1f
    add qword ptr [PARAMETER_LOW], MEGABYTE - 1
    and qword ptr [PARAMETER_LOW], -MEGABYTE
    add qword ptr [PARAMETER_HIGH], MEGABYTE - 1
    and qword ptr [PARAMETER_HIGH], -MEGABYTE
1:  movzx r12d, word ptr [rdi + COMMAND]
    mov eax, r12d
    and eax, ~MEMORY_DECODE
    mov [rdi + COMMAND], ax

    mov ecx, BAR0
1:  mov rdx, [THIS_BAR + BAR_SIZE]
    test rdx, rdx
    jz 4f
    mov r8, [THIS_BAR]
    test r8b, IS_IO
    jnz 4f
    test r8b, IS_64BIT
    jz 2f
    test r13b, r13b
    jz 6f
    test r8b, IS_PREFETCHABLE
    jz 2f
6:  mov r9d, PARAMETER_HIGH
    call allocate
    jnc 3f
2:  mov r9d, PARAMETER_LOW
    call allocate
    jc 4f
3:  and r8d, MEMORY_FLAGS
    or rax, r8
    mov [THIS_BAR], rax
    mov [rdi + rcx], eax
    test al, IS_64BIT
    jz 4f
    shr rax, 32
    mov [rdi + rcx + 4], eax
4:  add ecx, 4
    cmp ecx, BARS_END
    jb 1b

    // ROMs go to the end of the low region, from the top down. So all ROMs are side by side, and all BARs are side by side.
    // Behind a bridge, ROMs are placed among the BARs.
    mov rdx, [rbx + RECORD_ROM + BAR_SIZE]
    test rdx, rdx
    jz 5f
    mov r9d, PARAMETER_LOW
    test r13b, r13b
    jz 7f
    call allocate
    jc 5f
    jmp 8f
7:  mov rax, [PARAMETER_LOW + END]
    sub rax, rdx
    jb 5f
    neg rdx
    and rax, rdx
    cmp rax, [PARAMETER_LOW]
    jb 5f
    mov [PARAMETER_LOW + END], rax
8:  or eax, ROM_ENABLE
    mov [rbx + RECORD_ROM], rax
    mov [rdi + ROM], eax

5:  or r12d, MEMORY_DECODE | BUS_MASTER
    mov [rdi + COMMAND], r12w
    ret

// Takes rdx bytes (a power of two) from the region at r9, at a multiple of that size, and returns their address in rax. The
// carry flag is set if they do not fit. Clobbers r10 and r11.
allocate:
    mov rax, [r9]
    lea r10, [rdx - 1]
    add rax, r10
    jc 1f
    not r10
    and rax, r10
    mov r10, rax
    add r10, rdx
    jc 1f
    mov r11, [r9 + END]
    cmp r11, r10
    jc 1f
    mov [r9], r10
1:  ret

// Opens the windows of function rbx, if it is a bridge, around everything behind it: the memory window below 4 GiB, the
// prefetchable one above.
open_bridge:
    mov al, [rdi + HEADER_TYPE]
    and al, LAYOUT
    cmp al, 1
    jne 9f
    mov eax, [rbx + RECORD_ECAM]
    shr eax, 20
    movzx ecx, byte ptr [rdi + PRIMARY_BUS]
    sub eax, ecx  // the number of the segment's first bus
    movzx r8d, byte ptr [rdi + SECONDARY_BUS]
    movzx r9d, byte ptr [rdi + SUBORDINATE_BUS]
    add r8d, eax
    add r9d, eax
    mov r10, -1  // the first and the last address below 4 GiB
    xor r11d, r11d
    mov r12, -1  // and those above
    xor r13d, r13d
    mov esi, RECORDS
1:  cmp rsi, r15
    je 6f
    mov eax, [rsi + RECORD_ECAM]
    shr eax, 20
    cmp eax, r8d
    jb 5f
    cmp eax, r9d
    ja 5f
    lea rcx, [rsi + RECORD_BARS]
    lea r14, [rsi + RECORD_ROM]  // the last register
2:  mov rdx, [rcx + BAR_SIZE]
    test rdx, rdx
    jz 4f
    mov rax, [rcx]
    cmp rcx, r14
    je 3f
    test al, IS_IO
    jnz 4f
3:  and rax, ~MEMORY_FLAGS  // a ROM has only its lowest flag set
    add rdx, rax
    dec rdx
    mov rdi, rax
    shr rdi, 32
    jnz 7f
    cmp rax, r10
    cmovb r10, rax
    cmp rdx, r11
    cmova r11, rdx
    jmp 4f
7:  cmp rax, r12
    cmovb r12, rax
    cmp rdx, r13
    cmova r13, rdx
4:  add rcx, BAR_SIZE * 2
    cmp rcx, r14
    jbe 2b
5:  add rsi, RECORD_SIZE
    jmp 1b
6:  mov edi, [rbx + RECORD_ECAM]
    add rdi, [PARAMETER_ECAM]
    mov rax, r10
    mov rdx, r11
    call window
    mov [rdi + MEMORY_WINDOW], eax
    mov rax, r12
    mov rdx, r13
    call window
    mov [rdi + PREFETCHABLE_WINDOW], eax
    shr r12, 32
    mov [rdi + PREFETCHABLE_BASE], r12d
    shr r13, 32
    mov [rdi + PREFETCHABLE_LIMIT], r13d
9:  ret

// Returns the register of a window from address rax to address rdx in eax. An empty range gives a closed window.
window:
    shr rax, 16
    and eax, 0xfff0
    and edx, -MEGABYTE
    or eax, edx
    ret
