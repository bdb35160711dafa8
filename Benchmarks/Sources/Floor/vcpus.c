// A machine with several vCPUs that make port exits. Each vCPU has a thread that calls KVM_RUN, and each port has a device.
#define _GNU_SOURCE
#include "Floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_VCPUS = 64, MAX_CPUID = 256, RAM = 2 << 20 };

/// A device with one register. The lock is taken if vCPUs share the device.
struct device {
    pthread_mutex_t lock;
    uint8_t value;
} __attribute__((aligned(128)));

struct machine;

struct vcpu {
    struct machine *machine;
    int file;
    struct kvm_run *run;
    pthread_t thread;
    atomic_int has_ended;
};

struct machine {
    int kvm, vm, count, is_shared;
    size_t run_size;
    char *memory;
    atomic_int has_stopped;
    sem_t stopped;
    struct vcpu vcpus[MAX_VCPUS];
    struct device devices[MAX_VCPUS];
};

static int check(int result, const char *what) {
    if (result < 0)
        floor_fail(what);
    return result;
}

static uint8_t read_device(struct machine *machine, uint16_t port) {
    struct device *device = &machine->devices[(port - FLOOR_DEVICE_PORT) / FLOOR_DEVICE_STRIDE % MAX_VCPUS];
    if (machine->is_shared)
        pthread_mutex_lock(&device->lock);
    uint8_t value = device->value++;
    if (machine->is_shared)
        pthread_mutex_unlock(&device->lock);
    return value;
}

static void *run_vcpu(void *argument) {
    struct vcpu *vcpu = argument;
    struct kvm_run *run = vcpu->run;
    struct machine *machine = vcpu->machine;
    while (!atomic_load_explicit(&machine->has_stopped, memory_order_acquire)) {
        if (ioctl(vcpu->file, KVM_RUN, 0) < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            floor_fail("KVM_RUN");
        }
        if (run->exit_reason != KVM_EXIT_IO) {
            fprintf(stderr, "floor: exit %u\n", run->exit_reason);
            exit(70);
        }
        if (run->io.port == 0xf4) {
            atomic_store_explicit(&machine->has_stopped, 1, memory_order_release);
            sem_post(&machine->stopped);
        } else {
            *((uint8_t *)run + run->io.data_offset) = read_device(machine, run->io.port);
        }
    }
    atomic_store_explicit(&vcpu->has_ended, 1, memory_order_release);
    return NULL;
}

static void make_vcpu(struct machine *machine, int number, struct kvm_cpuid2 *cpuid) {
    struct vcpu *vcpu = &machine->vcpus[number];
    vcpu->machine = machine;
    vcpu->file = check(ioctl(machine->vm, KVM_CREATE_VCPU, number), "KVM_CREATE_VCPU");
    vcpu->run = mmap(NULL, machine->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->file, 0);
    if (vcpu->run == MAP_FAILED)
        floor_fail("mmap of kvm_run");
    check(ioctl(vcpu->file, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    if (number > 0)
        return; // The guest starts the others.
    struct kvm_sregs system;
    check(ioctl(vcpu->file, KVM_GET_SREGS, &system), "KVM_GET_SREGS");
    struct kvm_segment *segments[] = {&system.cs, &system.ds, &system.es, &system.ss};
    for (int i = 0; i < 4; i++)
        *segments[i] = (struct kvm_segment){.limit = 0xffffffff, .selector = i ? 16 : 8, .type = i ? 3 : 11,
                                            .present = 1, .db = 1, .s = 1, .g = 1};
    system.cr0 |= 1;
    check(ioctl(vcpu->file, KVM_SET_SREGS, &system), "KVM_SET_SREGS");
    struct kvm_regs registers = {.rip = FLOOR_LOAD_ADDRESS, .rsp = 0xfff0, .rflags = 2};
    check(ioctl(vcpu->file, KVM_SET_REGS, &registers), "KVM_SET_REGS");
}

static void make_machine(struct machine *machine, const uint8_t *code, size_t code_size) {
    machine->kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    machine->vm = check(ioctl(machine->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    check(ioctl(machine->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    machine->run_size = (size_t)check(ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    machine->memory = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (machine->memory == MAP_FAILED)
        floor_fail("mmap of guest memory");
    memcpy(machine->memory + FLOOR_LOAD_ADDRESS, code, code_size);
    struct kvm_userspace_memory_region ram = {.memory_size = RAM, .userspace_addr = (uintptr_t)machine->memory};
    check(ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &ram), "KVM_SET_USER_MEMORY_REGION");
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + MAX_CPUID * sizeof cpuid->entries[0]);
    cpuid->nent = MAX_CPUID;
    check(ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    for (int number = 0; number < machine->count; number++) {
        pthread_mutex_init(&machine->devices[number].lock, NULL);
        make_vcpu(machine, number, cpuid);
    }
    free(cpuid);
}

/// Waits for the end of a vCPU's thread. A halted vCPU does not leave KVM_RUN by itself, so signals call it out.
static void join(struct vcpu *vcpu) {
    while (!atomic_load_explicit(&vcpu->has_ended, memory_order_acquire)) {
        vcpu->run->immediate_exit = 1;
        pthread_kill(vcpu->thread, SIGUSR1);
        usleep(100);
    }
    pthread_join(vcpu->thread, NULL);
}

static void do_nothing(int signal) { (void)signal; }

int64_t floor_run_vcpus(const uint8_t *code, size_t code_size, int vcpus, int is_shared) {
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = do_nothing}, NULL);
    struct machine *machine = aligned_alloc(128, sizeof *machine);
    memset(machine, 0, sizeof *machine);
    machine->count = vcpus;
    machine->is_shared = is_shared;
    sem_init(&machine->stopped, 0, 0);
    make_machine(machine, code, code_size);
    int64_t start = floor_now();
    for (int number = 0; number < vcpus; number++) {
        errno = pthread_create(&machine->vcpus[number].thread, NULL, run_vcpu, &machine->vcpus[number]);
        if (errno)
            floor_fail("pthread_create");
    }
    while (sem_wait(&machine->stopped) < 0 && errno == EINTR)
        ;
    for (int number = 0; number < vcpus; number++)
        join(&machine->vcpus[number]);
    int64_t time = floor_now() - start;
    for (int number = 0; number < vcpus; number++) {
        munmap(machine->vcpus[number].run, machine->run_size);
        close(machine->vcpus[number].file);
    }
    close(machine->vm);
    close(machine->kvm);
    munmap(machine->memory, RAM);
    free(machine);
    return time;
}
