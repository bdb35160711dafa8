#define _GNU_SOURCE
#include "floor_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CPUID = 256 };

_Noreturn void floor_fail(const char *what) {
    perror(what);
    exit(70);
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int64_t floor_now(void) { return nanoseconds(CLOCK_MONOTONIC); }

int64_t floor_processor_time(void) { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

static int check(int result, const char *what) {
    if (result < 0)
        floor_fail(what);
    return result;
}

static void set_cpuid(struct floor_vm *vm) {
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + MAX_CPUID * sizeof cpuid->entries[0]);
    cpuid->nent = MAX_CPUID;
    check(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    check(ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
}

static void set_registers(struct floor_vm *vm, enum floor_mode mode) {
    struct kvm_sregs system;
    check(ioctl(vm->vcpu, KVM_GET_SREGS, &system), "KVM_GET_SREGS");
    struct kvm_segment *segments[] = {&system.cs, &system.ds, &system.es, &system.ss};
    for (int i = 0; i < 4; i++) {
        if (mode == FLOOR_REAL) {
            segments[i]->base = FLOOR_LOAD_ADDRESS;
            segments[i]->selector = FLOOR_LOAD_ADDRESS / 16;
        } else {
            // Code that can be read, and data that can be written, both accessed. Segments have 4 GiB from address 0, and are
            // of 32 bits.
            *segments[i] = (struct kvm_segment){.limit = 0xffffffff, .selector = i ? 16 : 8, .type = i ? 3 : 11,
                                                .present = 1, .db = 1, .s = 1, .g = 1};
        }
    }
    if (mode != FLOOR_REAL)
        system.cr0 |= 1;
    check(ioctl(vm->vcpu, KVM_SET_SREGS, &system), "KVM_SET_SREGS");
    struct kvm_regs registers = {.rip = mode == FLOOR_REAL ? 0 : FLOOR_LOAD_ADDRESS, .rsp = 0xfff0, .rflags = 2};
    check(ioctl(vm->vcpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
}

struct floor_vm *floor_vm_create(const uint8_t *code, size_t code_size, uint64_t spare, enum floor_mode mode) {
    struct floor_vm *vm = calloc(1, sizeof *vm);
    vm->kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    vm->vm = check(ioctl(vm->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    if (mode == FLOOR_INTERRUPTS)
        check(ioctl(vm->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    vm->vcpu = check(ioctl(vm->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    vm->run_size = (size_t)check(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
    if (vm->run == MAP_FAILED)
        floor_fail("mmap of kvm_run");
    set_cpuid(vm);

    int file = check(memfd_create("floor", MFD_CLOEXEC), "memfd_create");
    vm->memory_size = FLOOR_RAM + spare;
    check(ftruncate(file, (off_t)vm->memory_size), "ftruncate");
    vm->memory = mmap(NULL, vm->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (vm->memory == MAP_FAILED)
        floor_fail("mmap of guest memory");
    close(file);
    struct kvm_userspace_memory_region ram = {
        .slot = 0, .memory_size = FLOOR_RAM, .userspace_addr = (uintptr_t)vm->memory};
    check(ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &ram), "KVM_SET_USER_MEMORY_REGION");
    memcpy(vm->memory + FLOOR_LOAD_ADDRESS, code, code_size);
    set_registers(vm, mode);
    return vm;
}

void floor_vm_destroy(struct floor_vm *vm) {
    munmap(vm->run, vm->run_size);
    close(vm->vcpu);
    close(vm->vm);
    close(vm->kvm);
    munmap(vm->memory, vm->memory_size);
    free(vm);
}

void floor_vm_poke(struct floor_vm *vm, uint64_t address, uint8_t value) {
    __atomic_store_n((uint8_t *)vm->memory + address, value, __ATOMIC_RELEASE);
}

uint64_t floor_vm_run(struct floor_vm *vm, int64_t *first_run) {
    struct kvm_run *run = vm->run;
    uint64_t word = 0;
    if (first_run)
        *first_run = floor_now();
    for (uint64_t exits = 1;; exits++) {
        if (ioctl(vm->vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                continue;
            floor_fail("KVM_RUN");
        }
        switch (run->exit_reason) {
        case KVM_EXIT_IO: {
            char *data = (char *)run + run->io.data_offset;
            int is_out = run->io.direction == KVM_EXIT_IO_OUT;
            switch (run->io.port) {
            case 0xe9:
                if (!is_out)
                    *data = (char)0xe9;
                break;
            case 0x3f8:
                if (is_out && write(STDOUT_FILENO, data, run->io.count) < 0)
                    floor_fail("write");
                break;
            case 0xf4:
                return exits;
            }
            break;
        }
        case KVM_EXIT_MMIO:
            if (run->mmio.is_write)
                memcpy(&word, run->mmio.data, run->mmio.len);
            else
                memcpy(run->mmio.data, &word, run->mmio.len);
            break;
        default:
            fprintf(stderr, "floor: exit %u\n", run->exit_reason);
            exit(70);
        }
    }
}

static void *run_thread(void *vm) {
    floor_vm_run(vm, NULL);
    return NULL;
}

void floor_vm_start(struct floor_vm *vm) {
    errno = pthread_create(&vm->thread, NULL, run_thread, vm);
    if (errno)
        floor_fail("pthread_create");
}

void floor_vm_join(struct floor_vm *vm) { pthread_join(vm->thread, NULL); }
