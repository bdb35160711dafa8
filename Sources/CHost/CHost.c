#define _GNU_SOURCE
#include "CHost.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static inline int result(long value) { return value < 0 ? -errno : (int)value; }

int chost_memory_file(const char *name) { return result(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)); }

int chost_seal_size(int fd) { return result(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)); }

int64_t chost_file_size(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    return S_ISREG(status.st_mode) ? status.st_size : INT64_MAX;
}

int chost_duplicate(int fd) { return result(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

int chost_set_file_size(int fd, uint64_t size) { return result(ftruncate(fd, (off_t)size)); }

int chost_reserve(size_t size, void **address) {
    *address = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return *address == MAP_FAILED ? -errno : 0;
}

static int map_fixed(void *address, size_t size, int protection, int flags, int fd, uint64_t offset) {
    void *mapped = mmap(address, size, protection, flags | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);
    return mapped == MAP_FAILED ? -errno : 0;
}

int chost_map_file(void *address, size_t size, int fd, uint64_t offset) {
    return map_fixed(address, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

int chost_map_memory(void *address, size_t size, bool huge) {
    int status = map_fixed(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // The advice about huge pages fails in a kernel that has none. Then all pages are small.
    if (status == 0) {
        madvise(address, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        madvise(address, size, MADV_DONTDUMP);
    }
    return status;
}

int chost_unmap_file(void *address, size_t size) {
    return map_fixed(address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void ignore(int signal) { (void)signal; }

/// The signal for kicks, or 0 if none is taken.
static atomic_int kick_signal;

// This is a function in C, because the number is known at run time only and SIGRTMIN is a macro.
int chost_first_realtime_signal(void) { return SIGRTMIN; }

int chost_take_kick_signal(int signal) {
    struct sigaction before;
    if (sigaction(signal, NULL, &before) < 0)
        return -errno;
    if ((before.sa_flags & SA_SIGINFO) || (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))
        return -EBUSY;
    // SA_RESTART is not set, so that a kick interrupts whatever system call the thread waits in.
    struct sigaction action = {.sa_handler = ignore};
    sigemptyset(&action.sa_mask);
    int status = result(sigaction(signal, &action, NULL));
    if (status == 0)
        kick_signal = signal;
    return status;
}

void chost_give_back_kick_signal(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(kick_signal, &action, NULL);
    kick_signal = 0;
}

int chost_thread_id(void) { return gettid(); }

int chost_kick(int thread_id) {
    int status;
    // Real-time signals are queued, and the user's queue may be full (RLIMIT_SIGPENDING). A lost kick would leave a vCPU in its
    // guest, so the call is repeated while the queue is full.
    while ((status = result(tgkill(getpid(), thread_id, kick_signal))) == -EAGAIN)
        usleep(1000);
    return status;
}

static struct timespec time_in(clockid_t clock, int64_t nanoseconds) {
    struct timespec end;
    clock_gettime(clock, &end);
    int64_t sum = end.tv_nsec + nanoseconds % 1000000000;
    end.tv_sec += nanoseconds / 1000000000 + sum / 1000000000;
    end.tv_nsec = sum % 1000000000;
    return end;
}

int chost_join(pthread_t thread, int64_t nanoseconds) {
    struct timespec end = time_in(CLOCK_REALTIME, nanoseconds);
    return -pthread_timedjoin_np(thread, NULL, &end);
}

void chost_wait_for_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t nanoseconds) {
    struct timespec end = time_in(CLOCK_MONOTONIC, nanoseconds);
    pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &end);
}

void chost_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

void chost_unblock_kicks(void) {
    int signal = kick_signal;
    if (signal == 0)
        return;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int chost_event_descriptor(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int chost_post_event(int fd) { return result(eventfd_write(fd, 1)); }

static int listening(int domain, const struct sockaddr *address, socklen_t size) {
    int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int one = 1;
    // The file of a local socket gets the mode that the descriptor has at `bind`. Only the owner may use the file.
    fchmod(fd, S_IRUSR | S_IWUSR);
    if ((domain != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) ||
        bind(fd, address, size) < 0 || listen(fd, 64) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int chost_listen_local(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    // With an empty path the socket would have no file, and so no permissions.
    if (*path == 0)
        return -ENOENT;
    strcpy(address.sun_path, path);
    // A socket of this user at which nobody listens was left behind by a process that was killed.
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_uid == geteuid()) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (probe >= 0 && connect(probe, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED)
            unlink(path);
        if (probe >= 0)
            close(probe);
    }
    int fd = listening(AF_UNIX, (struct sockaddr *)&address, sizeof address);
    if (fd >= 0)
        chost_remember(path);
    return fd;
}

bool chost_is_from(int fd, unsigned user) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == user || peer.uid == 0);
}

int chost_listen_internet(const char *host, uint16_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return listening(AF_INET, (struct sockaddr *)&v4, sizeof v4);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return listening(AF_INET6, (struct sockaddr *)&v6, sizeof v6);
    return -EINVAL;
}

int chost_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    // Packets are small, and the other side waits for each. With these keepalive times, the kernel finds out after half a minute
    // that a peer has vanished. A local socket has no such options.
    int one = 1, idle = 15, interval = 5, count = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    return fd;
}

int chost_wait_for_input(int first, int second, int third, int64_t nanoseconds) {
    struct pollfd polled[] = {{.fd = first, .events = POLLIN},
                              {.fd = second, .events = POLLIN},
                              {.fd = third, .events = POLLIN}};
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = ppoll(polled, 3, nanoseconds < 0 ? NULL : &time, NULL);
    if (count < 0 && errno != EINTR)
        return -errno;
    // A descriptor that hung up or is broken counts as ready too. Reading from it tells which.
    int ready = 0;
    for (int index = 0; count > 0 && index < 3; index++)
        ready |= (polled[index].revents != 0) << index;
    return ready;
}
