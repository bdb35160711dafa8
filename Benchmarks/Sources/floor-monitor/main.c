// The smallest monitor that greets: one virtual machine, one vCPU, one slot of 2 MiB.
//
// It reports to standard error, as `swiftlet run --report -` does.
#include "Floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The guest `hello-real`: mov si, text; mov ecx, length; mov dx, 0x3f8; rep outsb; mov al, 0; out 0xf4, al.
#define TEXT "Hello from 16-bit real mode. This is a bare-metal guest under KVM.\n"

static const uint8_t code[] = "\xbe\x12\x00\x66\xb9\x43\x00\x00\x00\xba\xf8\x03\xf3\x6e\xb0\x00\xe6\xf4" TEXT;

_Static_assert(sizeof TEXT - 1 == 0x43, "the length in ecx");

static long kilobytes(const char *status, const char *name) {
    const char *line = strstr(status, name);
    return line ? atol(line + strlen(name)) : 0;
}

int main(void) {
    // Until here the process has not waited for anything, so its processor time is the time since its start.
    int64_t start = floor_now() - (int64_t)clock() * (1000000000 / CLOCKS_PER_SEC);
    int64_t first_run;
    struct floor_vm *vm = floor_vm_create(code, sizeof code - 1, 0, FLOOR_REAL);
    floor_vm_run(vm, &first_run);
    floor_vm_destroy(vm);

    static char status[8192];
    FILE *file = fopen("/proc/self/status", "r");
    if (!file || !fread(status, 1, sizeof status - 1, file))
        floor_fail("/proc/self/status");
    fprintf(stderr, "{\"microsecondsToFirstRun\":%ld,\"peakRSSBytes\":%ld}\n", (long)(first_run - start) / 1000,
            (kilobytes(status, "VmHWM:") - kilobytes(status, "RssShmem:")) * 1024);
    return 0;
}
