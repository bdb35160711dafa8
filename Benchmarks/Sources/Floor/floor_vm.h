#include "Floor.h"

#include <pthread.h>

struct kvm_run;

enum { FLOOR_RAM = 2 << 20 };

struct floor_vm {
    int kvm, vm, vcpu;
    struct kvm_run *run;
    size_t run_size;
    char *memory;
    size_t memory_size;
    pthread_t thread;
};

_Noreturn void floor_fail(const char *what);
