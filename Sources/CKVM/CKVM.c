#include "CKVM.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static inline int result(long value) { return value < 0 ? -errno : (int)value; }

int ckvm_open(const char *path) { return result(open(path, O_RDWR | O_CLOEXEC)); }

int ckvm_close(int fd) { return result(close(fd)); }

int ckvm_api_version(int kvm) { return result(ioctl(kvm, KVM_GET_API_VERSION, 0)); }

int ckvm_create_vm(int kvm) { return result(ioctl(kvm, KVM_CREATE_VM, 0)); }

int ckvm_run_size(int kvm) { return result(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)); }

int ckvm_check_extension(int fd, long capability) { return result(ioctl(fd, KVM_CHECK_EXTENSION, capability)); }

// KVM takes and gives CPUID entries behind a header in the same block of memory.
static struct kvm_cpuid2 *cpuid_block(uint32_t count) {
    return calloc(1, sizeof(struct kvm_cpuid2) + count * sizeof(struct kvm_cpuid_entry2));
}

int ckvm_supported_cpuid(int kvm, void *entries, uint32_t capacity) {
    struct kvm_cpuid2 *block = cpuid_block(capacity);
    if (!block)
        return -ENOMEM;
    block->nent = capacity;
    int status = result(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, block));
    if (status >= 0) {
        status = (int)block->nent;
        memcpy(entries, block->entries, block->nent * sizeof *block->entries);
    }
    free(block);
    return status;
}

int ckvm_create_vcpu(int vm, unsigned long id) { return result(ioctl(vm, KVM_CREATE_VCPU, id)); }

int ckvm_create_irqchip(int vm) { return result(ioctl(vm, KVM_CREATE_IRQCHIP, 0)); }

int ckvm_create_pit(int vm) {
    struct kvm_pit_config config = {.flags = KVM_PIT_SPEAKER_DUMMY};
    return result(ioctl(vm, KVM_CREATE_PIT2, &config));
}

int ckvm_set_tss_address(int vm, unsigned long address) { return result(ioctl(vm, KVM_SET_TSS_ADDR, address)); }

int ckvm_set_identity_map_address(int vm, uint64_t address) {
    return result(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &address));
}

int ckvm_irq_line(int vm, uint32_t irq, bool raised) {
    struct kvm_irq_level level = {.irq = irq, .level = raised};
    return result(ioctl(vm, KVM_IRQ_LINE, &level));
}

int ckvm_signal_msi(int vm, uint64_t address, uint32_t data) {
    struct kvm_msi message = {.address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32), .data = data};
    return result(ioctl(vm, KVM_SIGNAL_MSI, &message));
}

int ckvm_set_memory_region(int vm, uint32_t slot, uint32_t flags, uint64_t guest_address, uint64_t size,
                           uint64_t host_address) {
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .flags = flags,
        .guest_phys_addr = guest_address,
        .memory_size = size,
        .userspace_addr = host_address,
    };
    return result(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

int ckvm_eventfd(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

uint64_t ckvm_take_events(int eventfd) {
    uint64_t count;
    return read(eventfd, &count, sizeof count) == sizeof count ? count : 0;
}

int ckvm_set_ioeventfd(int vm, int eventfd, struct ckvm_ioevent event, bool assigned) {
    struct kvm_ioeventfd request = {
        .datamatch = event.match,
        .addr = event.address,
        .len = event.size,
        .fd = eventfd,
        .flags = (event.has_match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) | (event.is_port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (assigned ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };
    return result(ioctl(vm, KVM_IOEVENTFD, &request));
}

int ckvm_get_dirty_log(int vm, uint32_t slot, uint64_t *bitmap) {
    struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = bitmap};
    return result(ioctl(vm, KVM_GET_DIRTY_LOG, &log));
}

struct kvm_run *ckvm_map_run(int vcpu, size_t size, int *error) {
    void *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) {
        *error = -errno;
        return NULL;
    }
    return run;
}

void ckvm_unmap_run(struct kvm_run *run, size_t size) { munmap(run, size); }

int ckvm_run(int vcpu) { return result(ioctl(vcpu, KVM_RUN, 0)); }

int ckvm_get_registers(int vcpu, void *registers) { return result(ioctl(vcpu, KVM_GET_REGS, registers)); }

int ckvm_set_registers(int vcpu, const void *registers) { return result(ioctl(vcpu, KVM_SET_REGS, registers)); }

int ckvm_get_system_registers(int vcpu, void *registers) { return result(ioctl(vcpu, KVM_GET_SREGS, registers)); }

int ckvm_set_system_registers(int vcpu, const void *registers) { return result(ioctl(vcpu, KVM_SET_SREGS, registers)); }

int ckvm_set_cpuid(int vcpu, const void *entries, uint32_t count) {
    struct kvm_cpuid2 *block = cpuid_block(count);
    if (!block)
        return -ENOMEM;
    block->nent = count;
    memcpy(block->entries, entries, count * sizeof *block->entries);
    int status = result(ioctl(vcpu, KVM_SET_CPUID2, block));
    free(block);
    return status;
}

int ckvm_translate(int vcpu, uint64_t linear_address, uint64_t *physical_address) {
    struct kvm_translation translation = {.linear_address = linear_address};
    int status = result(ioctl(vcpu, KVM_TRANSLATE, &translation));
    if (status < 0)
        return status;
    if (!translation.valid)
        return -EFAULT;
    *physical_address = translation.physical_address;
    return 0;
}
