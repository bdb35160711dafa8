// The parts of <linux/kvm.h> that Swift cannot express. Request numbers are macros, a failing call leaves its reason in errno, and
// the members of the kvm_run union must be reached by address. All functions are inline, because every exit passes through them.
//
// A function that makes a system call returns a value that is not negative, or -errno, unless its type or comment says otherwise.
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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

// The structures that Swift fills and reads must have the kernel's layout.
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

/// KVM_CHECK_EXTENSION, on /dev/kvm or on a virtual machine.
static inline int ckvm_check_extension(int fd, long capability) {
    return ckvm_result(ioctl(fd, KVM_CHECK_EXTENSION, capability));
}

// Allocates a kvm_cpuid2 with room for `count` entries. KVM takes and returns CPUID entries after this header.
static inline struct kvm_cpuid2 *ckvm_cpuid_block(uint32_t count) {
    return calloc(1, sizeof(struct kvm_cpuid2) + count * sizeof(struct kvm_cpuid_entry2));
}

/// Fills up to `capacity` entries, each a struct kvm_cpuid_entry2. Returns the number of entries, or -E2BIG if there are more.
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

/// Gives the two PICs the vectors that a PC's firmware gives them: 0x08 to 0x0f, and 0x70 to 0x77. KVM starts both with 0.
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

/// KVM_CREATE_PIT2. KVM then also answers at port 0x61, as far as the timer needs that port.
static inline int ckvm_create_pit(int vm) {
    struct kvm_pit_config config = {.flags = KVM_PIT_SPEAKER_DUMMY};
    return ckvm_result(ioctl(vm, KVM_CREATE_PIT2, &config));
}

/// Puts channel 0 of the timer into the state in which a PC's firmware leaves it: mode 2 and the longest period (count 0). Counts
/// are read and written as two bytes. KVM starts the channel without a mode, and such a channel never ticks.
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

/// Reads the redirection table of the in-kernel I/O APIC.
static inline int ckvm_redirection_table(int vm, uint64_t entries[KVM_IOAPIC_NUM_PINS]) {
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    int status = ckvm_result(ioctl(vm, KVM_GET_IRQCHIP, &chip));
    for (int i = 0; status >= 0 && i < KVM_IOAPIC_NUM_PINS; i++)
        entries[i] = chip.chip.ioapic.redirtbl[i].bits;
    return status;
}

/// KVM_SIGNAL_MSI. Returns a positive number if a vCPU took the message, and 0 if the guest blocked it.
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

// Definitions that headers before Linux 6.8 lack.
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_CAP_USER_MEMORY2 231
#define KVM_CAP_GUEST_MEMFD 234
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
struct kvm_userspace_memory_region2 {
    uint32_t slot, flags;
    uint64_t guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset;
    uint32_t guest_memfd, pad1;
    uint64_t pad2[14];
};
struct kvm_create_guest_memfd {
    uint64_t size, flags, reserved[6];
};
#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif
_Static_assert(sizeof(struct kvm_userspace_memory_region2) == 160, "KVM_SET_USER_MEMORY_REGION2");
// A quirk that headers before Linux 6.12 lack.
#ifndef KVM_X86_QUIRK_SLOT_ZAP_ALL
#define KVM_X86_QUIRK_SLOT_ZAP_ALL (1 << 7)
#endif
enum {
    CKVM_USER_MEMORY2 = KVM_CAP_USER_MEMORY2,
    CKVM_GUEST_MEMFD = KVM_CAP_GUEST_MEMFD,
    CKVM_SLOT_ZAP_ALL = KVM_X86_QUIRK_SLOT_ZAP_ALL,
};

/// KVM_CREATE_GUEST_MEMFD: memory of one virtual machine that nobody else can map.
static inline int ckvm_create_guest_memory(int vm, uint64_t size) {
    struct kvm_create_guest_memfd request = {.size = size};
    return ckvm_result(ioctl(vm, KVM_CREATE_GUEST_MEMFD, &request));
}

static inline int ckvm_set_memory_region2(int vm, uint32_t slot, uint32_t flags, uint64_t guest_address, uint64_t size,
                                          uint64_t host_address, int guest_memory, uint64_t offset) {
    struct kvm_userspace_memory_region2 region = {
        .slot = slot,
        .flags = flags,
        .guest_phys_addr = guest_address,
        .memory_size = size,
        .userspace_addr = host_address,
        .guest_memfd = (uint32_t)guest_memory,
        .guest_memfd_offset = offset,
    };
    return ckvm_result(ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region));
}

static inline int ckvm_enable_capability(int vm, uint32_t capability, uint64_t argument) {
    struct kvm_enable_cap request = {.cap = capability, .args = {argument}};
    return ckvm_result(ioctl(vm, KVM_ENABLE_CAP, &request));
}

/// KVM_GET_DIRTY_LOG. `bitmap` has one bit for each page of the slot, rounded up to 64 bits.
static inline int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap) {
    struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = bitmap};
    return ckvm_result(ioctl(vm, KVM_GET_DIRTY_LOG, &log));
}

/// Creates the KVM device that holds VFIO groups.
static inline int ckvm_create_vfio(int vm) {
    struct kvm_create_device device = {.type = KVM_DEV_TYPE_VFIO};
    int status = ckvm_result(ioctl(vm, KVM_CREATE_DEVICE, &device));
    return status < 0 ? status : (int)device.fd;
}

/// Adds a group to the device, or removes it. Newer headers of the kernel (from 2023 on) call these numbers KVM_DEV_VFIO_FILE,
/// KVM_DEV_VFIO_FILE_ADD and KVM_DEV_VFIO_FILE_DEL.
static inline int ckvm_set_group(int vfio, int group, bool is_known) {
    struct kvm_device_attr attribute = {
        .group = KVM_DEV_VFIO_GROUP,
        .attr = is_known ? KVM_DEV_VFIO_GROUP_ADD : KVM_DEV_VFIO_GROUP_DEL,
        .addr = (uint64_t)(uintptr_t)&group,
    };
    return ckvm_result(ioctl(vfio, KVM_SET_DEVICE_ATTR, &attribute));
}

/// KVM_IOEVENTFD. If `assigned`, guest writes of `size` bytes to `address` signal the eventfd and do not exit. Otherwise the writes
/// exit again.
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

/// The number of interrupt lines, and the number of routes that lead from them. Each line has a route to the I/O APIC, and the
/// first 16 have one to the PICs as well.
enum { CKVM_LINES = KVM_IOAPIC_NUM_PINS, CKVM_LINE_ROUTES = CKVM_LINES + 16 };

/// KVM_IRQFD. If `assigned`, signals of the eventfd raise an interrupt by the routes of `gsi`. Otherwise they no longer do. If
/// `resamplefd` is not negative, the line stays raised until the guest has handled the interrupt, and KVM then signals
/// `resamplefd`.
static inline int ckvm_set_irqfd(int vm, int eventfd, uint32_t gsi, int resamplefd, bool assigned) {
    struct kvm_irqfd request = {
        .fd = (uint32_t)eventfd,
        .gsi = gsi,
        .flags = (resamplefd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0) | (assigned ? 0 : KVM_IRQFD_FLAG_DEASSIGN),
        .resamplefd = (uint32_t)resamplefd,
    };
    return ckvm_result(ioctl(vm, KVM_IRQFD, &request));
}

/// The message that an interrupt number (GSI) sends.
struct ckvm_message_route {
    uint64_t address;
    uint32_t data;
    uint32_t gsi;
};

/// KVM_SET_GSI_ROUTING. The request replaces all routes. So the table begins with the routes that KVM itself sets up at first, to
/// the PICs and the I/O APIC.
static inline int ckvm_set_routes(int vm, const struct ckvm_message_route *messages, size_t count) {
    struct kvm_irq_routing *table = calloc(1, sizeof *table + (CKVM_LINE_ROUTES + count) * sizeof *table->entries);
    if (!table)
        return -ENOMEM;
    struct kvm_irq_routing_entry *entry = table->entries;
    for (uint32_t line = 0; line < CKVM_LINES; line++) {
        *entry++ = (struct kvm_irq_routing_entry){
            .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {KVM_IRQCHIP_IOAPIC, line}};
        if (line < 16)
            *entry++ = (struct kvm_irq_routing_entry){
                .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {line / 8, line % 8}};
    }
    for (size_t i = 0; i < count; i++)
        *entry++ = (struct kvm_irq_routing_entry){
            .gsi = messages[i].gsi,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi = {.address_lo = (uint32_t)messages[i].address,
                      .address_hi = (uint32_t)(messages[i].address >> 32),
                      .data = messages[i].data}};
    table->nr = (uint32_t)(entry - table->entries);
    int status = ckvm_result(ioctl(vm, KVM_SET_GSI_ROUTING, table));
    free(table);
    return status;
}

#include "ckvm_vcpu.h"

#endif
