// Shows the end of a run whose guest is beyond help: a triple fault, which the monitor reports.
//
// UD2 raises an exception. The IDT has limit 0, so there is no gate to deliver it through, which is a second exception. Without
// a gate for the second one there is a double fault. Without a gate for the double fault, the processor shuts down. On a PC
// this is a reset.

#include "guest.h"

begin fault, 64
    print warning
    ud2

string warning, "About to cause a triple fault, on purpose.\n"
end fault
