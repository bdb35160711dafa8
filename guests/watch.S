// Watches places in memory while the monitor changes the slots behind them. Nothing that the guest reads may ever be wrong.
//
// The monitor says in a table what each place shows now: its label, which is the first word of the memory that is mapped there,
// or all ones. Each entry has a sequence number, which is odd while the monitor is about to change the place. If the guest
// finds the same even number before and after a read, the place did not change meanwhile, and the value must be right. A
// processor that still translates to a deleted slot would read an old label. Each processor also writes a word of its own into
// the place, and the value that it reads back must fit as well. Without places there is nothing to watch, and the guest ends at
// once.

#include "guest.h"
#include "watch.h"

begin watch, 64
    mov r12d, edx  // the number of processors
    cmp qword ptr [TABLE_COUNT], 0
    je nothing
    cmp r12d, 1
    je 1f  // the machine may have no local APIC
    call start_processors
1:  xor eax, eax  // processor 0
    call watch_table
2:  pause
    mov eax, [rip + stopped]  // the number of other processors that have seen the end
    inc eax
    cmp eax, r12d
    jb 2b
nothing:
    exit 0

#include "watch-table.h"
end watch
