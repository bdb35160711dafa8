// Shows the smallest useful guest: it greets from 64-bit long mode and ends the run.
//
// The monitor has already done the work of a boot loader (mode, segments, page tables), so this is the whole program. The text
// is addressed relative to RIP, so the image runs wherever it is loaded.

#include "guest.h"

begin hello, 64
    print greeting
    exit 0

string greeting, "Hello from 64-bit long mode. This is a bare-metal guest under KVM.\n"
end hello
