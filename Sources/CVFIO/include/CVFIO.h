// The calls of <linux/vfio.h> that Swift cannot make itself: request numbers are macros, and a failing call leaves its reason in errno.
//
// Every function returns a value that is not negative, or -errno.
#ifndef CVFIO_H
#define CVFIO_H

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Swift decodes these structures from their bytes.
_Static_assert(sizeof(struct vfio_region_info) == 32, "VFIO_DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfio_irq_info) == 16, "VFIO_DEVICE_GET_IRQ_INFO");
_Static_assert(sizeof(struct vfio_irq_set) == 20, "VFIO_DEVICE_SET_IRQS");

static inline int cvfio_result(long value) { return value < 0 ? -errno : (int)value; }

/// The requests that fill in a structure which begins with its own size.
enum cvfio_information {
    CVFIO_DEVICE = VFIO_DEVICE_GET_INFO,
    CVFIO_REGION = VFIO_DEVICE_GET_REGION_INFO,
    CVFIO_INTERRUPTS = VFIO_DEVICE_GET_IRQ_INFO,
    CVFIO_IOMMU = VFIO_IOMMU_GET_INFO,
};

/// Fills in a structure. Before the call the first 32 bits of `bytes` say how many bytes there are. After the call these bits say
/// how many bytes the whole structure has.
static inline int cvfio_get(int fd, enum cvfio_information request, void *bytes) {
    return cvfio_result(ioctl(fd, request, bytes));
}

static inline int cvfio_open(const char *path) { return cvfio_result(open(path, O_RDWR | O_CLOEXEC)); }

// --- a container ---

static inline int cvfio_api_version(int container) { return cvfio_result(ioctl(container, VFIO_GET_API_VERSION)); }

static inline int cvfio_has_type1v2(int container) {
    return cvfio_result(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
}

static inline int cvfio_set_type1v2(int container) {
    return cvfio_result(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

/// Maps `size` bytes of this process for DMA: devices reach them at `address`.
static inline int cvfio_map(int container, uint64_t host_address, uint64_t address, uint64_t size, bool is_writable) {
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_READ | (is_writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
        .vaddr = host_address,
        .iova = address,
        .size = size,
    };
    return cvfio_result(ioctl(container, VFIO_IOMMU_MAP_DMA, &map));
}

/// Ends the mapping of `size` bytes at `address`. Returns -EIO if not all of these bytes were mapped.
static inline int cvfio_unmap(int container, uint64_t address, uint64_t size) {
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = address, .size = size};
    int status = cvfio_result(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap));
    return status < 0 ? status : unmap.size == size ? 0 : -EIO;
}

// --- a group ---

/// Returns whether each function of the group has a driver of VFIO or no driver.
static inline int cvfio_is_viable(int group) {
    struct vfio_group_status status = {.argsz = sizeof status};
    int result = cvfio_result(ioctl(group, VFIO_GROUP_GET_STATUS, &status));
    return result < 0 ? result : (status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0;
}

static inline int cvfio_set_container(int group, int container) {
    return cvfio_result(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
}

static inline int cvfio_open_device(int group, const char *name) {
    return cvfio_result(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name));
}

// --- a device ---

static inline int cvfio_reset(int device) { return cvfio_result(ioctl(device, VFIO_DEVICE_RESET)); }

static inline int cvfio_result_of_copy(long copied, size_t count) {
    return copied < 0 ? -errno : copied == (long)count ? 0 : -EIO;
}

/// Reads `count` bytes from the device's file, not from a mapping of the file.
static inline int cvfio_read(int device, uint64_t offset, void *bytes, size_t count) {
    return cvfio_result_of_copy(pread(device, bytes, count, (off_t)offset), count);
}

static inline int cvfio_write(int device, uint64_t offset, const void *bytes, size_t count) {
    return cvfio_result_of_copy(pwrite(device, bytes, count, (off_t)offset), count);
}

enum {
    CVFIO_TRIGGER = VFIO_IRQ_SET_ACTION_TRIGGER,
    CVFIO_UNMASK = VFIO_IRQ_SET_ACTION_UNMASK,
};

/// Carries out an action on `count` interrupts of a kind, from the number `first` on. With `events` each interrupt gets its eventfd, or
/// none if that is -1. Without `events` the action CVFIO_TRIGGER on no interrupts takes the kind down.
static inline int cvfio_set_interrupts(int device, uint32_t action, uint32_t kind, uint32_t first, uint32_t count,
                                       const int32_t *events) {
    size_t size = sizeof(struct vfio_irq_set) + (events ? count * sizeof *events : 0);
    struct vfio_irq_set *set = calloc(1, size);
    if (!set)
        return -ENOMEM;
    *set = (struct vfio_irq_set){
        .argsz = (uint32_t)size,
        .flags = action | (events ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
        .index = kind,
        .start = first,
        .count = count,
    };
    if (events)
        memcpy(set->data, events, count * sizeof *events);
    int status = cvfio_result(ioctl(device, VFIO_DEVICE_SET_IRQS, set));
    free(set);
    return status;
}

#endif
