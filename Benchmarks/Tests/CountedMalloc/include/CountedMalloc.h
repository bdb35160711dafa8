#ifndef COUNTED_MALLOC_H
#define COUNTED_MALLOC_H

#include <stdint.h>

/// Returns the number of calls of malloc, calloc and realloc by this thread so far.
uint64_t counted_mallocs(void);

#endif
