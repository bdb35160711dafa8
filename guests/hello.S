// Shows the smallest useful guest: it greets from 64-bit long mode and ends the run.
//
// The monitor has already done what a boot loader does (mode, segments, page tables), so the whole program is here.
// The text is addressed relative to RIP, and the image therefore runs wherever it is loaded.

#include "guest.h"

begin hello, 64
    print greeting
    exit 0

string greeting, "Hello from 64-bit long mode. This is a bare-metal guest under KVM.\n"
end hello
