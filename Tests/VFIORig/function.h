// What the programs of this directory have in common: a function of the host, opened by the bare system calls.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int vm, container, device;
static uint64_t config_place, bar_place;
static uint8_t *bar;

static inline long check(long result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(70);
    }
    return result;
}
#define CALL(fd, request, argument) check(ioctl(fd, request, argument), #request)

static inline void *map(int fd, size_t size, uint64_t offset) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    check(memory == MAP_FAILED ? -1 : 0, "mmap");
    return memory;
}

static inline void put_slot(unsigned slot, uint64_t address, uint64_t size, void *memory) {
    struct kvm_userspace_memory_region region = {
        .slot = slot, .guest_phys_addr = address, .memory_size = size, .userspace_addr = (uintptr_t)memory};
    CALL(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static inline uint64_t place_of_region(unsigned index) {
    struct vfio_region_info info = {.argsz = sizeof info, .index = index};
    CALL(device, VFIO_DEVICE_GET_REGION_INFO, &info);
    return info.offset;
}

// Opens a function, and maps the first bytes of its BAR 0. KVM hears of the group before.
static inline void open_function(const char *name, size_t bar_size) {
    char path[128], group_path[64];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", name);
    long length = check(readlink(path, path, sizeof path - 1), "no group");
    path[length] = 0;
    snprintf(group_path, sizeof group_path, "/dev/vfio/%s", strrchr(path, '/') + 1);
    container = (int)check(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "/dev/vfio/vfio");
    int group = (int)check(open(group_path, O_RDWR | O_CLOEXEC), group_path);
    CALL(group, VFIO_GROUP_SET_CONTAINER, &container);
    CALL(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    struct kvm_create_device known = {.type = KVM_DEV_TYPE_VFIO};
    CALL(vm, KVM_CREATE_DEVICE, &known);
    struct kvm_device_attr attribute = {
        .group = KVM_DEV_VFIO_GROUP, .attr = KVM_DEV_VFIO_GROUP_ADD, .addr = (uintptr_t)&group};
    CALL((int)known.fd, KVM_SET_DEVICE_ATTR, &attribute);
    device = (int)check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name), "VFIO_GROUP_GET_DEVICE_FD");
    config_place = place_of_region(VFIO_PCI_CONFIG_REGION_INDEX);
    bar_place = place_of_region(VFIO_PCI_BAR0_REGION_INDEX);
    bar = map(device, bar_size, bar_place);
}
