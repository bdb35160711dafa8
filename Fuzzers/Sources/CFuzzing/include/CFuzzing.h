// The functions that libFuzzer calls, and the test that they call.
#ifndef CFUZZING_H
#define CFUZZING_H

#include <stddef.h>
#include <stdint.h>

typedef void fuzzing_test(const uint8_t *bytes, size_t count);

/// Sets the test that gets each input.
void fuzzing_set_test(fuzzing_test *test);

#endif
