#include "CFuzzing.h"

// The main function is libFuzzer's own. Every fuzzer defines a function with this name, which sets the fuzzer's test.
void fuzzer(void);

static fuzzing_test *test;

void fuzzing_set_test(fuzzing_test *function) { test = function; }

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    fuzzer();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    test(bytes, count);
    return 0;
}
