// Watches places in memory while the monitor changes the slots behind them: nothing that it reads may ever be wrong.
//
// The monitor says in a table what each place shows now: its label, the first word of whatever is mapped there, or all
// ones. Each entry has a sequence number, which is odd while the monitor is about to change the place. What was read
// between two looks at the same even number was read of a place that did not change meanwhile, and must be right; a
// processor that still translates to a slot that is gone would show an old label. Each processor also writes a word of
// its own into the place, and what it reads back must fit as well. With no places there is nothing to watch, and the
// guest ends at once.

#include "guest.h"
#include "watch.h"

begin watch, 64
    mov r12d, edx  // processors
    cmp qword ptr [TABLE_COUNT], 0
    je nothing
    cmp r12d, 1
    je 1f  // on a machine without a local APIC, maybe
    call start_processors
1:  xor eax, eax  // processor 0
    call watch_table
2:  pause
    mov eax, [rip + stopped]  // the others, when they have seen the end
    inc eax
    cmp eax, r12d
    jb 2b
nothing:
    exit 0

#include "watch-table.h"
end watch
