// Functions that count, and call glibc's allocator. They take the place of glibc's own functions in the whole program.
#include "CountedMalloc.h"

#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static __thread uint64_t mallocs;

uint64_t counted_mallocs(void) { return mallocs; }

void *malloc(size_t size) {
    mallocs++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    mallocs++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    mallocs++;
    return __libc_realloc(memory, size);
}
