// The routine by which `memory` and `mmio` report a value that they read. This is code: include it inside the image, after the
// end of the program.

#define LABEL_LENGTH 20  // of the labels that expect takes

// Prints one line, such as "first word          0x0000000000000000 reads 0x0000000000000001", and remembers whether the
// value was not the expected one.
//
//   r14  the label, LABEL_LENGTH characters        rbp  the expected value
//   rbx  the address                               ecx  hexadecimal digits to print of the value: 2, 4, 8 or 16
//   rax  the value                                 r15  1 if any value was wrong so far, otherwise 0 (updated)
//
// Clobbers rax, rcx, rdx, rsi, rdi.
expect:
    push rcx
    push rax
    mov rsi, r14
    mov ecx, LABEL_LENGTH
    mov dx, SERIAL_DATA
    rep outsb

    mov rax, rbx
    lea rdi, [rip + line + 2]
    mov ecx, 16
    call hexadecimal

    mov rax, [rsp]
    lea rdi, [rip + line_value]
    mov ecx, [rsp + 8]
    call hexadecimal

    lea rsi, [rip + line]
    mov ecx, offset line_length
    add ecx, [rsp + 8]
    mov dx, SERIAL_DATA
    rep outsb

    pop rax
    pop rcx
    cmp rax, rbp
    je 1f
    mov r15d, 1
    print wrong
    ret
1:  print newline
    ret

// Writes the lowest ecx hexadecimal digits of rax at rdi, from the last digit to the first. Clobbers rax, rcx and rdx.
hexadecimal:
    mov edx, eax
    and edx, 15
    cmp dl, 10
    jb 1f
    add dl, 'a' - '0' - 10
1:  add dl, '0'
    mov [rdi + rcx - 1], dl
    shr rax, 4
    dec ecx
    jnz hexadecimal
    ret

string line, "0x................ reads 0x"
line_value:
    .skip 16  // printed as far as it is filled
string wrong, ", which is wrong\n"
string newline, "\n"
