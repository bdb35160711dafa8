#define _GNU_SOURCE
#include "Floor.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int64_t nanoseconds(struct timeval time) { return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL; }

void floor_spawn(char *const arguments[], struct floor_child *child) {
    int output[2], report[2];
    if (pipe2(output, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
        floor_fail("pipe2");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, report[1], STDERR_FILENO);

    int64_t start = floor_now();
    pid_t process;
    errno = posix_spawn(&process, arguments[0], &actions, NULL, arguments, environ);
    if (errno)
        floor_fail(arguments[0]);
    close(output[1]);
    close(report[1]);
    // The first byte is read alone, for its time. Then the output is read as far as there is room, and then the rest.
    ssize_t size = read(output[0], child->output, 1);
    if (size < 0)
        floor_fail("read");
    child->first_byte = floor_now() - start;
    size_t length = (size_t)size;
    char rest[4096];
    while (size > 0) {
        size_t room = sizeof child->output - 1 - length;
        size = read(output[0], room ? child->output + length : rest, room ? room : sizeof rest);
        if (room && size > 0)
            length += (size_t)size;
    }
    child->output[length] = 0;
    struct rusage usage;
    if (wait4(process, &child->status, 0, &usage) < 0)
        floor_fail("wait4");
    child->end = floor_now() - start;
    child->peak = usage.ru_maxrss;
    child->processor = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);

    size = read(report[0], child->report, sizeof child->report - 1);
    child->report[size > 0 ? size : 0] = 0;
    close(output[0]);
    close(report[0]);
    posix_spawn_file_actions_destroy(&actions);
}
