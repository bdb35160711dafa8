#include "floor_vm.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

static void set(const struct floor_vm *vm, const struct floor_slot *slot, uint64_t size) {
    struct kvm_userspace_memory_region region = {
        .slot = slot->id,
        .flags = slot->flags,
        .guest_phys_addr = slot->guest,
        .memory_size = size,
        .userspace_addr = (uintptr_t)vm->memory + FLOOR_RAM + slot->offset,
    };
    if (ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        floor_fail("KVM_SET_USER_MEMORY_REGION");
}

void floor_set_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count) {
    for (size_t i = 0; i < count; i++)
        set(vm, &slots[i], slots[i].size);
}

void floor_delete_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count) {
    for (size_t i = 0; i < count; i++)
        set(vm, &slots[i], 0);
}
