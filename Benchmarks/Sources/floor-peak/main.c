// Runs a command and prints what it said and, in KiB, the most memory that it had in use: floor-peak COMMAND [ARGUMENT...]
//
// Linux counts the pages of the process that starts another as that one's too, until exec; so this one has few.
#include "Floor.h"

#include <stdio.h>

int main(int count, char *arguments[]) {
    if (count < 2)
        return 64;
    struct floor_child child;
    floor_spawn(arguments + 1, &child);
    fputs(child.report, stderr);
    printf("%s%lld\n", child.output, (long long)child.peak);
    return 0;
}
