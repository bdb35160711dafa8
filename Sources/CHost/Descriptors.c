#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64 };

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MOST * sizeof(int))];
};

int chost_connect_local(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // The connection queue of a server may be full for a moment.
    struct timeval second = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

int64_t chost_send_descriptors(int fd, const void *bytes, size_t size, const int *descriptors, size_t count) {
    if (count > MOST)
        return -EINVAL;
    union control control = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

int64_t chost_receive_descriptors(int fd, void *bytes, size_t size, bool waits, int *descriptors, size_t *count) {
    size_t most = *count < MOST ? *count : MOST;
    *count = 0;
    union control control;
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(most * sizeof(int))};
    ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    if (received < 0)
        return -errno;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t index = 0; index < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); index++) {
            int passed;
            memcpy(&passed, CMSG_DATA(part) + index * sizeof(int), sizeof passed);
            // The kernel may pass one descriptor more than `most`, because alignment can leave room for it.
            if (*count < most)
                descriptors[(*count)++] = passed;
            else
                close(passed);
        }
    }
    return received;
}

int chost_wait_until_ready(int fd, bool writable, int64_t nanoseconds) {
    struct pollfd polled = {.fd = fd, .events = writable ? POLLOUT : POLLIN};
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = ppoll(&polled, 1, nanoseconds < 0 ? NULL : &time, NULL);
    return count < 0 && errno != EINTR ? -errno : count > 0;
}

bool chost_is_event(int fd) {
    static const char eventfd[] = "anon_inode:[eventfd]";
    char path[32], target[sizeof eventfd];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target) == sizeof eventfd - 1 && !memcmp(target, eventfd, sizeof eventfd - 1);
}

uint64_t chost_take_count(int fd) {
    eventfd_t count = 0;
    return eventfd_read(fd, &count) == 0 ? count : 0;
}
