#define _GNU_SOURCE
#include "Floor.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t floor_user_instructions(void) {
    static long counter = -2;
    if (counter == -2) {
        struct perf_event_attr attributes = {
            .type = PERF_TYPE_HARDWARE,
            .size = sizeof attributes,
            .config = PERF_COUNT_HW_INSTRUCTIONS,
            .inherit = 1,
            .exclude_kernel = 1,
            .exclude_hv = 1,
            // Instructions of KVM's guests do not count.
            .exclude_guest = 1,
        };
        counter = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    }
    int64_t count;
    return counter >= 0 && read((int)counter, &count, sizeof count) == sizeof count ? count : -1;
}
