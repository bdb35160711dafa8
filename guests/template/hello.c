// A guest in C. It prints, counts its RAM and ends with exit status: 0
#include "guest.h"

int main(uint64_t pages_below_3gib, uint64_t pages_above_4gib, uint64_t vcpus) {
    print("Hello from C.\n");
    print("bytes of RAM: ");
    print_number((pages_below_3gib + pages_above_4gib) << 12);
    print("\nvCPUs: ");
    print_number(vcpus);
    print("\n");
    return 0;
}
