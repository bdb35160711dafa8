// Shows a greeting from 32-bit protected mode, the state in which multiboot kernels start.
//
// This mode has no addressing relative to EIP, so the text is addressed absolutely: by its offset in the image plus the load
// address. Segments are flat, so this address is the physical one.

#include "guest.h"

begin hello_protected, 32
    print greeting
    exit 0

string greeting, "Hello from 32-bit protected mode. This is a bare-metal guest under KVM.\n"
end hello_protected
