// Runs a command, and prints its output and the most memory that it had in use, in KiB: floor-peak COMMAND [ARGUMENT...]
//
// Until exec, Linux also counts the pages of the starting process as those of the started process. So this program is small.
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
