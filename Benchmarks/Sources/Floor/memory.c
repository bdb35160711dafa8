#define _GNU_SOURCE
#include "Floor.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct floor_window {
    char *base, *file_base;
    uint64_t size, file_size;
    int file;
};

static void *map(void *address, uint64_t size, int protection, int flags, int file, uint64_t offset) {
    void *mapped = mmap(address, size, protection, flags | MAP_NORESERVE, file, (off_t)offset);
    if (mapped == MAP_FAILED)
        floor_fail("mmap");
    return mapped;
}

struct floor_window *floor_window_create(uint64_t size, uint64_t file_size) {
    struct floor_window *window = malloc(sizeof *window);
    window->size = size;
    window->file_size = file_size;
    window->file = memfd_create("floor", MFD_CLOEXEC);
    if (window->file < 0 || ftruncate(window->file, (off_t)file_size) < 0)
        floor_fail("memfd_create");
    window->base = map(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    window->file_base = map(NULL, file_size, PROT_READ | PROT_WRITE, MAP_SHARED, window->file, 0);
    return window;
}

void floor_window_destroy(struct floor_window *window) {
    munmap(window->base, window->size);
    munmap(window->file_base, window->file_size);
    close(window->file);
    free(window);
}

uint64_t floor_window_address(const struct floor_window *window) { return (uintptr_t)window->base; }

uint64_t floor_window_file_address(const struct floor_window *window) { return (uintptr_t)window->file_base; }

void floor_window_map(const struct floor_window *window, uint64_t host, uint64_t file_offset, uint64_t size) {
    map((void *)host, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, window->file, file_offset);
}

void floor_window_unmap(const struct floor_window *window, uint64_t host, uint64_t size) {
    (void)window;
    map((void *)host, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
