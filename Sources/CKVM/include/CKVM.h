// What Swift cannot say itself about <linux/kvm.h>: request numbers are macros, a failing call leaves its reason
// in errno, and the members of the kvm_run union have to be reached by address. All of it is inline: every exit passes here.
//
// Every call returns a value that is not negative, or -errno.
#ifndef CKVM_H
#define CKVM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

// The structures that Swift fills and reads must be the ones that the kernel knows.
_Static_assert(sizeof(struct kvm_userspace_memory_region) == 32, "KVM_SET_USER_MEMORY_REGION");
_Static_assert(sizeof(struct kvm_regs) == 144, "KVM_GET_REGS");
_Static_assert(sizeof(struct kvm_sregs) == 312, "KVM_GET_SREGS");
_Static_assert(sizeof(struct kvm_cpuid_entry2) == 40, "KVM_SET_CPUID2");
_Static_assert(offsetof(struct kvm_run, exit_reason) == 8, "kvm_run");

static inline int ckvm_result(long value) { return value < 0 ? -errno : (int)value; }

// --- /dev/kvm ---

static inline int ckvm_open(const char *path) { return ckvm_result(open(path, O_RDWR | O_CLOEXEC)); }

static inline int ckvm_close(int fd) { return ckvm_result(close(fd)); }

static inline int ckvm_api_version(int kvm) { return ckvm_result(ioctl(kvm, KVM_GET_API_VERSION, 0)); }

static inline int ckvm_create_vm(int kvm) { return ckvm_result(ioctl(kvm, KVM_CREATE_VM, 0)); }

static inline int ckvm_run_size(int kvm) { return ckvm_result(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)); }

/// KVM_CHECK_EXTENSION on /dev/kvm or on a virtual machine.
static inline int ckvm_check_extension(int fd, long capability) {
    return ckvm_result(ioctl(fd, KVM_CHECK_EXTENSION, capability));
}

// KVM takes and gives CPUID entries behind a header in the same block of memory.
static inline struct kvm_cpuid2 *ckvm_cpuid_block(uint32_t count) {
    return calloc(1, sizeof(struct kvm_cpuid2) + count * sizeof(struct kvm_cpuid_entry2));
}

/// Fills up to `capacity` entries, each a struct kvm_cpuid_entry2; returns how many there are, -E2BIG where there are more.
static inline int ckvm_supported_cpuid(int kvm, void *entries, uint32_t capacity) {
    struct kvm_cpuid2 *block = ckvm_cpuid_block(capacity);
    if (!block)
        return -ENOMEM;
    block->nent = capacity;
    int status = ckvm_result(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, block));
    if (status >= 0) {
        status = (int)block->nent;
        memcpy(entries, block->entries, block->nent * sizeof *block->entries);
    }
    free(block);
    return status;
}

// --- a virtual machine ---

static inline int ckvm_create_vcpu(int vm, unsigned long id) { return ckvm_result(ioctl(vm, KVM_CREATE_VCPU, id)); }

static inline int ckvm_create_irqchip(int vm) { return ckvm_result(ioctl(vm, KVM_CREATE_IRQCHIP, 0)); }

/// Gives the two PICs the vectors that the firmware of a PC gives them: 0x08 to 0x0f, and 0x70 to 0x77. KVM starts with 0 for both.
static inline int ckvm_start_pics(int vm) {
    static const uint8_t bases[] = {0x08, 0x70};
    for (uint32_t number = KVM_IRQCHIP_PIC_MASTER; number <= KVM_IRQCHIP_PIC_SLAVE; number++) {
        struct kvm_irqchip chip = {.chip_id = number};
        if (ioctl(vm, KVM_GET_IRQCHIP, &chip) < 0)
            return -errno;
        chip.chip.pic.irq_base = bases[number];
        if (ioctl(vm, KVM_SET_IRQCHIP, &chip) < 0)
            return -errno;
    }
    return 0;
}

/// KVM_CREATE_PIT2, with port 0x61 as far as the timer needs it.
static inline int ckvm_create_pit(int vm) {
    struct kvm_pit_config config = {.flags = KVM_PIT_SPEAKER_DUMMY};
    return ckvm_result(ioctl(vm, KVM_CREATE_PIT2, &config));
}

/// Puts channel 0 of the timer into the state that the firmware of a PC leaves: mode 2, and the longest period (count 0). Counts are
/// written in two bytes. KVM starts without a mode, in which a channel never ticks.
static inline int ckvm_start_pit(int vm) {
    struct kvm_pit_state2 state;
    if (ioctl(vm, KVM_GET_PIT2, &state) < 0)
        return -errno;
    state.channels[0].mode = 2;
    state.channels[0].count = 0;
    state.channels[0].rw_mode = state.channels[0].read_state = state.channels[0].write_state = 3;
    return ckvm_result(ioctl(vm, KVM_SET_PIT2, &state));
}

static inline int ckvm_set_tss_address(int vm, unsigned long address) {
    return ckvm_result(ioctl(vm, KVM_SET_TSS_ADDR, address));
}

static inline int ckvm_set_identity_map_address(int vm, uint64_t address) {
    return ckvm_result(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &address));
}

static inline int ckvm_irq_line(int vm, uint32_t irq, bool raised) {
    struct kvm_irq_level level = {.irq = irq, .level = raised};
    return ckvm_result(ioctl(vm, KVM_IRQ_LINE, &level));
}

/// KVM_SIGNAL_MSI: positive where a vCPU took the message, 0 where the guest blocked it.
static inline int ckvm_signal_msi(int vm, uint64_t address, uint32_t data) {
    struct kvm_msi message = {.address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32), .data = data};
    return ckvm_result(ioctl(vm, KVM_SIGNAL_MSI, &message));
}

static inline int ckvm_set_memory_region(int vm, uint32_t slot, uint32_t flags, uint64_t guest_address, uint64_t size,
                                         uint64_t host_address) {
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .flags = flags,
        .guest_phys_addr = guest_address,
        .memory_size = size,
        .userspace_addr = host_address,
    };
    return ckvm_result(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

/// `bitmap` holds a bit a page of the slot, rounded up to 64 bits.
static inline int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap) {
    struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = bitmap};
    return ckvm_result(ioctl(vm, KVM_GET_DIRTY_LOG, &log));
}

/// An eventfd whose reads do not block.
static inline int ckvm_eventfd(void) { return ckvm_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

/// How often it was signalled since the last call.
static inline uint64_t ckvm_take_events(int eventfd) {
    uint64_t count;
    return read(eventfd, &count, sizeof count) == sizeof count ? count : 0;
}

/// KVM_IOEVENTFD: guest writes of `size` bytes to `address` signal the eventfd and exit no more, or do so again.
static inline int ckvm_set_ioeventfd(int vm, int eventfd, uint64_t address, uint32_t size, bool is_port, bool has_match,
                                     uint64_t match, bool assigned) {
    struct kvm_ioeventfd request = {
        .datamatch = match,
        .addr = address,
        .len = size,
        .fd = eventfd,
        .flags = (has_match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) | (is_port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (assigned ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };
    return ckvm_result(ioctl(vm, KVM_IOEVENTFD, &request));
}

// --- a virtual CPU ---

/// Maps the shared kvm_run structure of `size` bytes, at `run` from then on.
static inline int ckvm_map_run(int vcpu, size_t size, struct kvm_run **run) {
    *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    return *run == MAP_FAILED ? -errno : 0;
}

static inline void ckvm_unmap_run(struct kvm_run *run, size_t size) { munmap(run, size); }

static inline int ckvm_run(int vcpu) { return ckvm_result(ioctl(vcpu, KVM_RUN, 0)); }

/// The registers are a struct kvm_regs or kvm_sregs. Swift passes its own structures, which have the same layout.
static inline int ckvm_get_regs(int vcpu, void *regs) { return ckvm_result(ioctl(vcpu, KVM_GET_REGS, regs)); }

static inline int ckvm_set_regs(int vcpu, const void *regs) { return ckvm_result(ioctl(vcpu, KVM_SET_REGS, regs)); }

static inline int ckvm_get_sregs(int vcpu, void *regs) { return ckvm_result(ioctl(vcpu, KVM_GET_SREGS, regs)); }

static inline int ckvm_set_sregs(int vcpu, const void *regs) { return ckvm_result(ioctl(vcpu, KVM_SET_SREGS, regs)); }

static inline int ckvm_set_cpuid(int vcpu, const void *entries, uint32_t count) {
    struct kvm_cpuid2 *block = ckvm_cpuid_block(count);
    if (!block)
        return -ENOMEM;
    block->nent = count;
    memcpy(block->entries, entries, count * sizeof *block->entries);
    int status = ckvm_result(ioctl(vcpu, KVM_SET_CPUID2, block));
    free(block);
    return status;
}

/// KVM_TRANSLATE: the guest-physical address of a linear one; -EFAULT where nothing is mapped.
static inline int ckvm_translate(int vcpu, uint64_t linear_address, uint64_t *physical_address) {
    struct kvm_translation translation = {.linear_address = linear_address};
    int status = ckvm_result(ioctl(vcpu, KVM_TRANSLATE, &translation));
    if (status < 0)
        return status;
    if (!translation.valid)
        return -EFAULT;
    *physical_address = translation.physical_address;
    return 0;
}

// --- kvm_run ---

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
