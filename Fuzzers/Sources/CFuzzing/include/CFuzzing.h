// What libFuzzer calls, and what it finds behind it.
#ifndef CFUZZING_H
#define CFUZZING_H

#include <stddef.h>
#include <stdint.h>

typedef void fuzzing_test(const uint8_t *bytes, size_t count);

/// What gets each input, until another is named.
void fuzzing_set_test(fuzzing_test *test);

#endif
