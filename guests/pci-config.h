// The part of `pci` that finds functions and sizes their BARs, by configuration space. This is code: include it inside the
// image, after the end of the program.

// Finds all functions and makes a record of each.
//
//   out  r15  the end of the records
find_functions:
    mov r15d, RECORDS
    mov rdi, [PARAMETER_ECAM]
    mov rsi, [PARAMETER_BUSES]
    shl rsi, 20
    add rsi, rdi  // the end of the ECAM
1:  cmp rdi, rsi
    jae 5f
    mov eax, [rdi + VENDOR_DEVICE]
    cmp ax, 0xffff
    je 2f
    call make_record
    test edi, FUNCTION
    jnz 4f
    test byte ptr [rdi + HEADER_TYPE], MULTIPLE_FUNCTIONS
    jnz 4f
    jmp 3f
2:  test edi, FUNCTION
    jnz 4f
3:  add rdi, NEXT_DEVICE  // a device has other functions only if it has a function 0 that says so
    jmp 1b
4:  add rdi, NEXT_FUNCTION
    jmp 1b
5:  ret

// Makes the record of the function whose configuration space is at rdi and begins with eax. Moves r15 to the next record.
// Checks that access by ports shows the same function. For a bridge, notes the buses behind it.
make_record:
    mov r8d, eax
    mov ecx, edi
    sub ecx, [PARAMETER_ECAM]
    mov [r15 + RECORD_ECAM], ecx
    mov eax, ecx
    shr eax, 20
    cmp eax, [PARAMETER_SEGMENT]
    jae 1f  // the ports reach only segment 0
    mov eax, ecx
    shr eax, 4  // the number for CONFIG_ADDRESS has bus, device and function from bit 8 on
    or eax, 0x80000000
    mov dx, CONFIG_ADDRESS
    out dx, eax
    mov dx, CONFIG_DATA
    in eax, dx
    cmp eax, r8d
    je 1f
    inc qword ptr [rip + mismatches_count]
1:  inc qword ptr [rip + functions_count]
    mov al, [rdi + HEADER_TYPE]
    and al, LAYOUT
    cmp al, 1
    jne 6f
    inc qword ptr [rip + bridges_count]
    mov eax, [r15 + RECORD_ECAM]
    shr eax, 20
    movzx edx, byte ptr [rdi + PRIMARY_BUS]
    sub eax, edx
    movzx ecx, byte ptr [rdi + SECONDARY_BUS]
    movzx edx, byte ptr [rdi + SUBORDINATE_BUS]
    test ecx, ecx
    jz 6f
5:  cmp ecx, edx
    ja 6f
    mov byte ptr [rax + rcx + BEHIND_BRIDGE], 1
    inc ecx
    jmp 5b
6:

    // Capabilities are a list: each begins with its kind and the offset of the next one, which is 0 at the end.
    test byte ptr [rdi + STATUS], HAS_CAPABILITIES
    jz 4f
    movzx ecx, byte ptr [rdi + CAPABILITIES]
    mov edx, 48  // the most capabilities that fit. A longer list is a circle
2:  and ecx, 0xfc
    jz 4f
    movzx eax, word ptr [rdi + rcx]
    cmp al, MSIX
    je 3f
    movzx ecx, ah
    dec edx
    jnz 2b
    jmp 4f
3:  mov [r15 + RECORD_MSIX], cx
    movzx eax, word ptr [rdi + rcx + MSIX_CONTROL]
    and eax, MSIX_LAST_VECTOR
    mov [r15 + RECORD_LAST_VECTOR], ax
    mov eax, [rdi + rcx + MSIX_TABLE]
    mov [r15 + RECORD_TABLE], eax
    mov eax, [rdi + rcx + MSIX_PBA]
    mov [r15 + RECORD_PBA], eax
4:  add r15, RECORD_SIZE
    ret

// Sizes the BARs and the ROM of function rbx (6.2.5.1, 6.2.5.2). An address is a multiple of the BAR's size, so only its bits
// from the size upwards can be set. All bits are set, and the lowest that stays set is the size. Meanwhile the registers hold
// no real addresses, so decode is off.
size_function:
    movzx r12d, word ptr [rdi + COMMAND]
    mov eax, r12d
    and eax, ~(IO_DECODE | MEMORY_DECODE)
    mov [rdi + COMMAND], ax

    mov ecx, BAR0
1:  lea r8, [THIS_BAR]
    mov edx, -1
    call probe
    test edx, edx
    jz 3f  // no BAR. The first half of a pair has at least its flags
    inc qword ptr [rip + bars_count]
    mov r9d, eax
    mov r10d, edx
    and r10d, ~IO_FLAGS
    test al, IS_IO
    jnz 2f
    and r10d, ~MEMORY_FLAGS
    test al, IS_64BIT
    jz 2f
    add ecx, 4
    mov edx, -1
    call probe
    shl rax, 32
    or r9, rax
    shl rdx, 32
    or r10, rdx
2:  call record_size
3:  add ecx, 4
    mov al, [rdi + HEADER_TYPE]
    and al, LAYOUT
    cmp al, 1
    jne 5f
    cmp ecx, BRIDGE_BARS_END
    jb 1b
    jmp 4f
5:  cmp ecx, BARS_END
    jb 1b

    mov ecx, ROM
    lea r8, [rbx + RECORD_ROM]
    mov edx, ~ROM_FLAGS
    call probe
    mov r9d, eax
    mov r10d, edx
    and r10d, ~ROM_FLAGS
    call record_size

4:  mov [rdi + COMMAND], r12w
    ret

// Returns the value of the register at rdi + rcx in eax, and the bits of edx that the register keeps in edx. Restores the
// register.
probe:
    mov eax, [rdi + rcx]
    mov [rdi + rcx], edx
    mov edx, [rdi + rcx]
    mov [rdi + rcx], eax
    ret

// Records the register r9 and the size, which is the lowest set bit of r10, at r8.
record_size:
    mov [r8], r9
    mov rax, r10
    neg rax
    and rax, r10
    mov [r8 + BAR_SIZE], rax
    ret
