// The part of `pci` that reaches memory anywhere, and writes and reads it. This is code: include it inside the image, after the
// end of the program.

// The page tables with which a guest starts map little more than the addresses below 4 GiB, but BARs may lie terabytes away. So
// the last 2 MiB of virtual memory are a window, which shows one 2 MiB page at a time. The window takes two tables: the last
// entry of the root leads to the first table, whose last entry leads to the second, whose last entry is the page.
#define ROOT_TABLE 0x1000
#define WINDOW_POINTERS 0x200000
#define WINDOW_DIRECTORY 0x201000
#define LAST_ENTRY 0xff8
#define PRESENT 0x03  // present and writable
#define PRESENT_PAGE 0x83  // the same, and a page instead of a table
#define LARGE_PAGE 0x200000

#define PAGE 0x1000

// Makes the tables of the window, which is empty at first.
open_window:
    mov qword ptr [ROOT_TABLE + LAST_ENTRY], WINDOW_POINTERS | PRESENT
    mov qword ptr [WINDOW_POINTERS + LAST_ENTRY], WINDOW_DIRECTORY | PRESENT
    ret

// Turns the physical address rax into a virtual one, which is valid until the next call. If the address is mapped, it stays the
// same. Otherwise the result is an address in the window. Moving the window needs INVLPG, because otherwise the processor may
// still use the old translation. Clobbers rdx.
reach:
    cmp rax, [PARAMETER_MAPPED]
    jb 2f
    mov rdx, rax
    and rdx, -LARGE_PAGE
    or rax, -LARGE_PAGE  // the offset in the page, within the last page of virtual memory
    cmp rdx, [rip + in_window]
    je 2f
    mov [rip + in_window], rdx
    or rdx, PRESENT_PAGE
    mov [WINDOW_DIRECTORY + LAST_ENTRY], rdx
    invlpg [rax]
2:  ret

in_window:
    .quad 0  // the page that is in the window. It is never page 0, which is mapped

// Write the first, the middle and the last page of each mapped piece of each BAR of function rbx, and check them. The pattern
// in a page is the page's address, plus the BAR's number in the lowest bits and, in the highest 16 bits, the function's bus,
// device and function number.
write_function:
    lea rdi, [rip + write_page]
    jmp each_bar
check_function:
    lea rdi, [rip + check_page]

// Finds the mapped pieces: the BAR without the pages that hold the MSI-X table, the pending bits (PBA) or the doorbell. The
// doorbell lies right after the PBA, so at most two runs of pages are missing, and three pieces remain.
each_bar:
    mov ecx, BAR0
1:  mov r12, [THIS_BAR]
    mov rax, [THIS_BAR + BAR_SIZE]
    cmp rax, PAGE
    jb 5f  // no BAR, or a small one that shares its page with others and is not memory
    test r12b, IS_IO
    jnz 5f
    and r12, ~MEMORY_FLAGS
    jz 5f  // the BAR was never placed

    mov r13d, [rbx + RECORD_ECAM]
    shl r13, 48 - 12
    lea esi, [rcx - BAR0]
    shr esi, 2  // the BAR's number
    or r13, rsi

    xor r8d, r8d  // the range of the table's pages: empty
    xor r9d, r9d
    xor r10d, r10d  // the range of the pages with PBA and doorbell: empty
    xor r11d, r11d
    cmp [rbx + RECORD_MSIX], r8w
    je 4f
    mov eax, [rbx + RECORD_TABLE]
    mov edx, eax
    and edx, BIR
    cmp edx, esi
    jne 2f
    and eax, ~BIR
    movzx r9d, word ptr [rbx + RECORD_LAST_VECTOR]
    inc r9d
    shl r9d, 4
    add r9, rax
    mov r8d, eax
2:  mov eax, [rbx + RECORD_PBA]
    mov edx, eax
    and edx, BIR
    cmp edx, esi
    jne 3f
    mov r10d, eax
    call locate_doorbell
    mov r11, rax
    jnc 3f
    inc r11
3:  add r9, PAGE - 1
    and r9, -PAGE
    and r8, -PAGE
    add r11, PAGE - 1
    and r11, -PAGE
    and r10, -PAGE
    cmp r8, r10
    jbe 4f
    xchg r8, r10
    xchg r9, r11

4:  xor esi, esi
    mov rdx, r8
    call touch_piece
    mov rsi, r9
    mov rdx, r10
    call touch_piece
    mov rsi, r9
    cmp rsi, r11
    cmovb rsi, r11
    mov rdx, [THIS_BAR + BAR_SIZE]
    call touch_piece

5:  add ecx, 4
    cmp ecx, BARS_END
    jb 1b
    ret

// Calls rdi for the first, the last and the middle page of the piece of the BAR at r12, from offset rsi up to rdx. If there are
// fewer than three pages, calls it once for each. The middle of an even number of pages is the lower of two. Clobbers rax, rdx
// and r14.
touch_piece:
    cmp rsi, rdx
    jae 1f
    lea r14, [rdx - PAGE]
    lea rax, [r12 + rsi]
    call rdi
    cmp rsi, r14
    je 1f
    lea rax, [r12 + r14]
    call rdi
    lea rax, [rsi + r14]
    shr rax, 1
    and rax, -PAGE
    cmp rax, rsi
    je 1f
    add rax, r12
    jmp rdi
1:  ret

// Write and check the page at rax. r13 is the part of the pattern that all pages of this BAR have in common. Clobber rax and
// rdx.
write_page:
    push rax
    call reach
    pop rdx
    add rdx, r13
    mov [rax], rdx
    ret
check_page:
    push rax
    call reach
    pop rdx
    add rdx, r13
    add qword ptr [rip + bytes_count], 8
    cmp [rax], rdx
    je 1f
    inc qword ptr [rip + mismatches_count]
1:  ret

// Checks the signature of the ROM of function rbx, if the ROM is enabled and has at least a page.
check_rom:
    cmp qword ptr [rbx + RECORD_ROM + BAR_SIZE], PAGE
    jb 1f
    mov rax, [rbx + RECORD_ROM]
    test al, ROM_ENABLE
    jz 1f
    and rax, ~ROM_FLAGS
    call reach
    add qword ptr [rip + bytes_count], 2
    cmp word ptr [rax], ROM_SIGNATURE
    je 1f
    inc qword ptr [rip + mismatches_count]
1:  ret

// Returns the offset of the doorbell of function rbx in the PBA's BAR in rax. The doorbell lies right after the PBA, which has
// a bit for each vector, in words of 64 bits. The carry flag is set if the offset is still inside the BAR, so that there is a
// doorbell. Clobbers rdx and rsi.
locate_doorbell:
    mov eax, [rbx + RECORD_PBA]
    mov edx, eax
    and eax, ~BIR
    and edx, BIR
    shl edx, 4
    movzx esi, word ptr [rbx + RECORD_LAST_VECTOR]
    shr esi, 6
    lea rax, [rax + 8 * rsi + 8]
    cmp rax, [rbx + rdx + RECORD_BARS + BAR_SIZE]
    ret
