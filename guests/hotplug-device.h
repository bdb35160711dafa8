// The part of `hotplug` that puts a device to use and checks it. This is code: include it inside the image, after the end of
// the program.

// Puts the device in the slot of port rbx to use. If the device vanishes meanwhile, or shows something wrong, it is abandoned.
bring_up:
    call power_on
    mov ecx, SLOT_PATIENCE
1:  pause
    test word ptr [rdi + SLOT_STATUS], OCCUPIED
    jz 2f
    test word ptr [rdi + LINK_STATUS], LINK_ACTIVE
    loopz 1b
2:
    mov r9d, 1  // the number of the check
    xor ebp, ebp
    mov edi, [rbx + PORT_DEVICE]
    movzx eax, word ptr [rdi]
    cmp eax, 0xffff
    je abandon
    mov r9d, 2
    call place
    jc abandon
    mov word ptr [rdi + COMMAND], MEMORY_DECODE | BUS_MASTER
    mov r9d, 3
    call check_memory
    jc abandon
    mov r9d, 4
    call check_interrupt
    jc abandon
    inc qword ptr [r13 + CHECKS]
    mov dword ptr [rbx + PORT_STATE], USED
    inc dword ptr [rbx + PORT_ADDED]
    ret

// Abandons the device, and counts an error if the device is still present: rbp is the place, eax the word that was read, and
// r9d the number of the check.
abandon:
    mov edi, [rbx + PORT_SLOT]
    mov ecx, SLOT_PATIENCE  // a device that vanishes is gone a little before its slot says so
2:  pause
    movzx edx, word ptr [rdi + SLOT_STATUS]
    test dl, PRESENCE_CHANGED
    jnz 1f
    test dl, OCCUPIED
    jz 1f
    dec ecx
    jnz 2b
    inc qword ptr [r13 + ERRORS]
    cmp qword ptr [r13 + ERRORS], 1
    jne 1f
    mov [r13 + BAD_PLACE], rbp
    mov [r13 + BAD_WORD], eax
    mov [r13 + BAD_LABEL], edx
    or r9d, DEVICE_ERROR
    mov [r13 + BAD_STATE], r9d
1:  inc dword ptr [rbx + PORT_ABANDONED]
    jmp power_off

// Sizes the memory BARs of the device rdi, and places them one after the other in the memory window of port rbx. The carry flag
// is set if they do not fit. Clobbers rax, rcx, rdx, rbp, r8, r10 and r11.
place:
    mov eax, [rbx + PORT_CONFIG]
    mov r10d, [rax + MEMORY_WINDOW]
    mov r11d, r10d
    and r10d, 0xfff0
    shl r10, 16  // the first free address
    or r11d, MEGABYTE - 1  // the last address
    mov ecx, BAR0
1:  lea r8, [rbx + 2 * rcx + PORT_BARS - 2 * BAR0]
    mov qword ptr [r8], 0
    mov dword ptr [rdi + rcx], -1
    mov eax, [rdi + rcx]
    mov edx, eax
    and edx, ~MEMORY_FLAGS
    jz 3f
    test al, IS_IO
    jnz 3f
    neg edx
    add r10, rdx
    dec r10
    neg rdx
    and r10, rdx
    neg rdx
    mov [rdi + rcx], r10d
    mov [r8], r10d
    mov [r8 + 4], edx
    add r10, rdx
    lea rdx, [r10 - 1]
    cmp r11, rdx
    jb 4f
    test al, IS_64BIT
    jz 2f
    add ecx, 4
    mov dword ptr [rdi + rcx], 0
    mov qword ptr [r8 + 8], 0
    jmp 2f
3:  mov dword ptr [rdi + rcx], 0
2:  add ecx, 4
    cmp ecx, BARS_END
    jb 1b
    clc
4:  ret

// Writes and reads the first and the last word of each BAR of at least a page, except BARs that contain a part of MSI-X. The
// carry flag is set if a word is wrong. Clobbers rax, rcx, rdx, rbp and r8.
check_memory:
    mov cl, MSIX
    call find_capability
    mov r8d, -1
    test eax, eax
    jz 1f
    mov r8d, [rax + MSIX_TABLE]
    and r8d, BIR
    mov edx, [rax + MSIX_PBA]
    and edx, BIR
    shl edx, 8
    or r8d, edx
1:  xor ecx, ecx
2:  mov edx, [rbx + 8 * rcx + PORT_BARS + 4]
    cmp edx, 0x1000
    jb 4f
    cmp r8b, cl
    je 4f
    mov eax, r8d
    cmp ah, cl
    je 4f
    mov ebp, [rbx + 8 * rcx + PORT_BARS]
    call check_word
    jne 5f
    lea rbp, [rbp + rdx - 4]
    call check_word
    jne 5f
4:  inc ecx
    cmp ecx, 6
    jb 2b
    clc
    ret
5:  stc
    ret

// Writes a new word at rbp, and reads it back into eax. The zero flag is set if it is right.
check_word:
    mov eax, [rip + next_word]
    inc dword ptr [rip + next_word]
    xor eax, ebp
    mov [rbp], eax
    push rdx
    mov edx, eax
    mov eax, [rbp]
    cmp eax, edx
    pop rdx
    ret

// Lets the device rdi interrupt by its first vector, if it has MSI-X and a doorbell after the pending bits. The carry flag is
// set if the interrupt does not come. Clobbers rax, rcx, rdx, rbp, r8, r10 and r11.
check_interrupt:
    mov cl, MSIX
    call find_capability
    test eax, eax
    jz 3f
    mov r8d, eax
    movzx eax, word ptr [r8 + MSIX_CONTROL]
    and eax, MSIX_LAST_VECTOR
    shr eax, 6
    mov edx, [r8 + MSIX_PBA]
    mov ecx, edx
    and ecx, BIR
    cmp ecx, 6
    jae 3f  // the register of a device that is gone
    and edx, ~BIR
    lea edx, [rdx + 8 * rax + 8]
    cmp edx, [rbx + 8 * rcx + PORT_BARS + 4]
    jae 3f
    mov ebp, [rbx + 8 * rcx + PORT_BARS]
    add ebp, edx  // the doorbell
    mov edx, [r8 + MSIX_TABLE]
    mov ecx, edx
    and ecx, BIR
    cmp ecx, 6
    jae 3f
    and edx, ~BIR
    add edx, [rbx + 8 * rcx + PORT_BARS]
    mov dword ptr [rdx], APIC
    mov dword ptr [rdx + 4], 0
    mov dword ptr [rdx + 8], DEVICE_VECTOR
    mov dword ptr [rdx + 12], 0
    mov word ptr [r8 + MSIX_CONTROL], MSIX_ENABLE
    mov r10d, [rip + device_interrupts]
    mov dword ptr [rbp], 0
    mov ecx, PATIENCE
2:  pause
    mov eax, [rip + device_interrupts]
    cmp eax, r10d
    jne 3f
    test cl, cl
    jnz 5f
    mov edx, [rbx + PORT_SLOT]  // looks now and then whether the device is gone, because then it does not interrupt
    test word ptr [rdx + SLOT_STATUS], PRESENCE_CHANGED
    jnz 4f
5:  dec ecx
    jnz 2b
4:  stc
    ret
3:  clc
    ret
