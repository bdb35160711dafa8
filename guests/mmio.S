// Shows the three answers that guest-physical memory can give. At an address without a slot, every access exits to the monitor:
// reads give all ones, and writes are lost. In a read-only slot, reads are plain memory, and writes exit and are lost. A
// read-write slot is plain memory without any exit.
//
// The monitor puts each page's own address at its beginning, so that a page in the wrong place is noticed.

#include "guest.h"

#define NOBODY 0xd0008000
#define READ_ONLY 0xd0000000
#define READ_WRITE 0xd0001000  // two pages

begin mmio, 64
    xor r15d, r15d  // nothing was wrong so far

    // NOBODY: in each width that an instruction can read, before and after a write in each width.
    lea r14, [rip + nobody]
    call read_nobody
    mov ebx, NOBODY
    mov byte ptr [rbx], 1
    mov word ptr [rbx], 2
    mov dword ptr [rbx], 3
    mov qword ptr [rbx], 4
    lea r14, [rip + nobody_written]
    call read_nobody

    // The read-only slot holds its address, and still does after a write.
    lea r14, [rip + read_only]
    mov ebx, READ_ONLY
    mov ebp, READ_ONLY
    call read
    lea r14, [rip + read_only_written]
    mov qword ptr [rbx], 1
    call read

    // The read-write slot, at its first and second page: first it holds the address, then the value that was written.
    mov ebx, READ_WRITE
    call write_and_read
    mov ebx, READ_WRITE + 0x1000
    call write_and_read
    exit r15b

// Reads NOBODY with widths of 1, 2, 4 and 8 bytes.
read_nobody:
    mov ebx, NOBODY
    xor eax, eax
    mov al, [rbx]
    mov ebp, 0xff
    mov ecx, 2
    call expect
    xor eax, eax
    mov ax, [rbx]
    mov ebp, 0xffff
    mov ecx, 4
    call expect
    mov eax, [rbx]
    mov ebp, 0xffffffff
    mov ecx, 8
    call expect
    mov rbp, -1
read:
    mov rax, [rbx]
    mov ecx, 16
    jmp expect

// Expects the page at rbx to hold its address, and then another value, which is written in between.
write_and_read:
    lea r14, [rip + read_write]
    mov rbp, rbx
    call read
    lea r14, [rip + read_write_written]
    not rbp
    mov [rbx], rbp
    jmp read

#include "expect.h"

string nobody,             "nobody              "
string nobody_written,     "  after a write     "
string read_only,          "read-only slot      "
string read_only_written,  "  after a write     "
string read_write,         "read-write slot     "
string read_write_written, "  after a write     "
end mmio
