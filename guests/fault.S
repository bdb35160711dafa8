// Shows how a run ends when the guest is beyond help: a triple fault, which the monitor reports.
//
// UD2 raises an exception. The IDT has limit 0, so there is no gate to deliver it through, which is a second exception,
// and none for that one, which is a double fault, and none for that, and the processor shuts down. On a PC this is a
// reset.

#include "guest.h"

begin fault, 64
    print warning
    ud2

string warning, "About to cause a triple fault, on purpose.\n"
end fault
