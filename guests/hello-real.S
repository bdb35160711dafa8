// Shows a greeting from 16-bit real mode, the state in which every x86 processor starts.
//
// The segment registers hold the load address divided by 16, so the image begins at offset 0 of its segment. The guest needs to
// know no address, because offsets in the image are offsets in the segment.

#include "guest.h"

begin hello_real, 16
    print greeting
    exit 0

string greeting, "Hello from 16-bit real mode. This is a bare-metal guest under KVM.\n"
end hello_real
