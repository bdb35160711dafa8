// What Swift cannot say itself about <linux/kvm.h>: request numbers are macros, a failing call leaves its reason
// in errno, and the members of the kvm_run union have to be reached by address.
//
// Every call returns a value that is not negative, or -errno.
#ifndef CKVM_H
#define CKVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The structures that Swift fills and reads must be the ones that the kernel knows.
_Static_assert(sizeof(struct kvm_userspace_memory_region) == 32, "KVM_SET_USER_MEMORY_REGION");
_Static_assert(sizeof(struct kvm_regs) == 144, "KVM_GET_REGS");
_Static_assert(sizeof(struct kvm_sregs) == 312, "KVM_GET_SREGS");
_Static_assert(sizeof(struct kvm_cpuid_entry2) == 40, "KVM_SET_CPUID2");
_Static_assert(offsetof(struct kvm_run, exit_reason) == 8, "kvm_run");

// Capabilities: KVM_CHECK_EXTENSION takes them, Swift does not import macros that other macros build.
enum {
    CKVM_CAP_IRQCHIP = KVM_CAP_IRQCHIP,
    CKVM_CAP_USER_MEMORY = KVM_CAP_USER_MEMORY,
    CKVM_CAP_NR_VCPUS = KVM_CAP_NR_VCPUS,
    CKVM_CAP_NR_MEMSLOTS = KVM_CAP_NR_MEMSLOTS,
    CKVM_CAP_MAX_VCPUS = KVM_CAP_MAX_VCPUS,
    CKVM_CAP_SIGNAL_MSI = KVM_CAP_SIGNAL_MSI,
    CKVM_CAP_READONLY_MEM = KVM_CAP_READONLY_MEM,
    CKVM_CAP_IMMEDIATE_EXIT = KVM_CAP_IMMEDIATE_EXIT,
    CKVM_CAP_MULTI_ADDRESS_SPACE = KVM_CAP_MULTI_ADDRESS_SPACE,
};

// --- /dev/kvm ---

int ckvm_open(const char *path);
int ckvm_close(int fd);
int ckvm_api_version(int kvm);
int ckvm_create_vm(int kvm);
int ckvm_run_size(int kvm);
/// KVM_CHECK_EXTENSION on /dev/kvm or on a virtual machine.
int ckvm_check_extension(int fd, long capability);
/// Fills up to `capacity` entries, each a struct kvm_cpuid_entry2; returns how many there are, -E2BIG where there are more.
int ckvm_supported_cpuid(int kvm, void *entries, uint32_t capacity);

// --- a virtual machine ---

int ckvm_create_vcpu(int vm, unsigned long id);
int ckvm_create_irqchip(int vm);
/// KVM_CREATE_PIT2, with port 0x61 as far as the timer needs it.
int ckvm_create_pit(int vm);
int ckvm_set_tss_address(int vm, unsigned long address);
int ckvm_set_identity_map_address(int vm, uint64_t address);
int ckvm_irq_line(int vm, uint32_t irq, bool raised);
/// KVM_SIGNAL_MSI: positive where a vCPU took the message, 0 where the guest blocked it.
int ckvm_signal_msi(int vm, uint64_t address, uint32_t data);
int ckvm_set_memory_region(int vm, uint32_t slot, uint32_t flags, uint64_t guest_address, uint64_t size,
                           uint64_t host_address);
/// `bitmap` holds a bit a page of the slot, rounded up to 64 bits.
int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap);

/// An eventfd whose reads do not block.
int ckvm_eventfd(void);
/// How often it was signalled since the last call.
uint64_t ckvm_take_events(int eventfd);

struct ckvm_ioevent {
    uint64_t address;
    uint64_t match;
    uint32_t size;
    bool is_port;
    bool has_match;
};

/// KVM_IOEVENTFD: guest writes of `size` bytes to `address` signal the eventfd and exit no more, or do so again.
int ckvm_set_ioeventfd(int vm, int eventfd, struct ckvm_ioevent event, bool assigned);

// --- a virtual CPU ---

/// Maps the shared kvm_run structure of `size` bytes; NULL on failure, with -errno in `error`.
struct kvm_run *ckvm_map_run(int vcpu, size_t size, int *error);
void ckvm_unmap_run(struct kvm_run *run, size_t size);
int ckvm_run(int vcpu);
/// The registers are a struct kvm_regs or kvm_sregs. Swift passes its own structures, which have the same layout.
int ckvm_get_registers(int vcpu, void *registers);
int ckvm_set_registers(int vcpu, const void *registers);
int ckvm_get_system_registers(int vcpu, void *registers);
int ckvm_set_system_registers(int vcpu, const void *registers);
int ckvm_set_cpuid(int vcpu, const void *entries, uint32_t count);
/// KVM_TRANSLATE: the guest-physical address of a linear one; -EFAULT where nothing is mapped.
int ckvm_translate(int vcpu, uint64_t linear_address, uint64_t *physical_address);

// --- kvm_run: inline, for every exit passes through these ---

static inline uint32_t ckvm_exit_reason(const struct kvm_run *run) { return run->exit_reason; }

/// Written by other threads while KVM reads it, hence atomic.
static inline void ckvm_set_immediate_exit(struct kvm_run *run, bool value) {
    __atomic_store_n(&run->immediate_exit, (uint8_t)value, __ATOMIC_RELEASE);
}

struct ckvm_port_access {
    uint16_t port;
    uint8_t size;
    bool is_output;
    uint32_t count;
};

static inline struct ckvm_port_access ckvm_port_access(const struct kvm_run *run) {
    return (struct ckvm_port_access){
        .port = run->io.port,
        .size = run->io.size,
        .is_output = run->io.direction == KVM_EXIT_IO_OUT,
        .count = run->io.count,
    };
}

/// The `index`th unit of a port access: string instructions move several at one exit. There is nothing at other exits, where
/// other members of the union lie in the same place, and nothing behind the last unit.
static inline uint32_t ckvm_port_load(const struct kvm_run *run, uint32_t index) {
    if (run->exit_reason != KVM_EXIT_IO || index >= run->io.count)
        return 0;
    uint32_t value = 0;
    const char *unit = (const char *)run + run->io.data_offset + (size_t)index * run->io.size;
    __builtin_memcpy(&value, unit, run->io.size <= sizeof value ? run->io.size : sizeof value);
    return value;
}

static inline void ckvm_port_store(struct kvm_run *run, uint32_t index, uint32_t value) {
    if (run->exit_reason != KVM_EXIT_IO || index >= run->io.count)
        return;
    char *unit = (char *)run + run->io.data_offset + (size_t)index * run->io.size;
    __builtin_memcpy(unit, &value, run->io.size <= sizeof value ? run->io.size : sizeof value);
}

struct ckvm_memory_access {
    uint64_t address;
    uint64_t value;
    uint32_t size;
    bool is_write;
};

static inline struct ckvm_memory_access ckvm_memory_access(const struct kvm_run *run) {
    struct ckvm_memory_access access = {
        .address = run->mmio.phys_addr,
        .size = run->mmio.len,
        .is_write = run->mmio.is_write,
    };
    if (access.is_write)
        __builtin_memcpy(&access.value, run->mmio.data, access.size <= 8 ? access.size : 8);
    return access;
}

static inline void ckvm_memory_store(struct kvm_run *run, uint64_t value) {
    if (run->exit_reason != KVM_EXIT_MMIO)
        return;
    __builtin_memcpy(run->mmio.data, &value, sizeof value);
}

static inline uint64_t ckvm_entry_failure(const struct kvm_run *run) {
    return run->fail_entry.hardware_entry_failure_reason;
}

static inline uint64_t ckvm_hardware_exit_reason(const struct kvm_run *run) { return run->hw.hardware_exit_reason; }

static inline uint32_t ckvm_system_event(const struct kvm_run *run) { return run->system_event.type; }

static inline uint32_t ckvm_internal_error(const struct kvm_run *run) { return run->internal.suberror; }

/// Copies the instruction at which KVM's emulator gave up, up to 15 bytes; returns how many KVM reported.
static inline uint32_t ckvm_emulation_failure(const struct kvm_run *run, uint8_t bytes[15]) {
    if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->emulation_failure.ndata < 3 ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
        return 0;
    uint32_t size = run->emulation_failure.insn_size;
    if (size > 15)
        size = 15;
    __builtin_memcpy(bytes, run->emulation_failure.insn_bytes, size);
    return size;
}

#endif
