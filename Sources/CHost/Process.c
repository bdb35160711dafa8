// The arguments of the process, the files that are removed when it ends, and the signals and the time limit that end it.
#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int result(long value) { return value < 0 ? -errno : (int)value; }

static int argument_count;
static char **arguments;

// The C library calls a constructor with the arguments that it passes to main.
__attribute__((constructor)) static void take_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}

const char *chost_argument(int index) { return index < argument_count ? arguments[index] : NULL; }

// The names of unfinished files and of local sockets, which are removed if a signal ends the process. A signal handler reads them.
static _Atomic(char *) temporaries[8];

void chost_remember(const char *temporary) {
    char *name = strdup(temporary);
    for (size_t index = 0; name && index < sizeof temporaries / sizeof *temporaries; index++) {
        char *free_place = NULL;
        if (atomic_compare_exchange_strong(&temporaries[index], &free_place, name))
            return;
    }
    free(name);
}

void chost_forget(const char *temporary) {
    for (size_t index = 0; index < sizeof temporaries / sizeof *temporaries; index++) {
        char *name = temporaries[index];
        // The string itself is not freed, because the handler may be reading it.
        if (name && strcmp(name, temporary) == 0)
            temporaries[index] = NULL;
    }
}

void chost_remove_temporaries(void) {
    for (size_t index = 0; index < sizeof temporaries / sizeof *temporaries; index++) {
        char *name = temporaries[index];
        if (name)
            unlink(name);
    }
}

int chost_create_beside(const char *path, const char *temporary) {
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode))
        return -EISDIR;
    if (exists && access(path, W_OK) < 0)
        return -errno;
    chost_remember(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        int error = errno;
        chost_forget(temporary);
        return -error;
    }
    if (exists)
        fchmod(fd, status.st_mode & 0777);
    return fd;
}

int chost_commit(int fd, const char *temporary, const char *path) {
    if (close(fd) < 0 || rename(temporary, path) < 0)
        return -errno;
    chost_forget(temporary);
    return 0;
}

void chost_remove_temporary(const char *temporary) {
    unlink(temporary);
    chost_forget(temporary);
}

// The signals by which users, shells and broken pipes end a process.
static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};
enum { ending_count = sizeof ending / sizeof *ending };

static bool is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static sigset_t ending_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    for (int index = 0; index < ending_count; index++)
        if (!is_ignored(ending[index]))
            sigaddset(&set, ending[index]);
    return set;
}

static volatile sig_atomic_t late_status;

static void end_process(int signal) {
    static const char words[] = "swiftlet: the time limit has passed while the process waits for an input, an output or a device process\n";
    struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
    chost_remove_temporaries();
    if (signal == SIGALRM && poll(&errors, 1, 0) == 1 && write(STDERR_FILENO, words, sizeof words - 1) < 0)
        _exit(late_status);
    _exit(signal == SIGALRM ? late_status : 130);
}

void chost_end_after(int64_t nanoseconds, int status) {
    late_status = status;
    struct sigaction action = {.sa_handler = end_process};
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    struct itimerval time = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000 / 1000 + 1}};
    if (time.it_value.tv_usec > 999999)
        time.it_value.tv_usec = 999999;
    setitimer(ITIMER_REAL, &time, NULL);
}

static bool ends_by_signals;

int chost_prepare_process(void) {
    signal(SIGXFSZ, SIG_IGN);
    struct sigaction action = {.sa_handler = end_process};
    sigfillset(&action.sa_mask);
    for (int index = 0; index < ending_count; index++)
        if (!is_ignored(ending[index]))
            sigaction(ending[index], &action, NULL);
    ends_by_signals = true;
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        // `open` returns the lowest free number, which is `fd`. The stream is opened for the wrong direction, so that a use of it
        // is still an error and no output is lost without notice.
        if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return -errno;
    }
    return 0;
}

void chost_pass_on_broken_pipe(void) {
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (ends_by_signals && sigismember(&blocked, SIGPIPE))
        kill(getpid(), SIGPIPE);
}

int chost_signal_descriptor(bool catches) {
    sigset_t set;
    sigemptyset(&set);
    if (catches)
        set = ending_signals();
    int fd = result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (fd >= 0)
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    return fd;
}

int chost_take_signal(int fd) {
    struct signalfd_siginfo info;
    ssize_t size = read(fd, &info, sizeof info);
    return size == sizeof info ? (int)info.ssi_signo : -EAGAIN;
}

void chost_unblock_signals(int fd) {
    while (chost_take_signal(fd) > 0)
        ;
    sigset_t set = ending_signals();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// Runs this program again, in a new process that was just forked. It makes only calls that are allowed between fork and exec in a
// process with several threads.
static void run_again(pid_t parent, char *const *words, const char *directory, const int ends[3]) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    // The new process has a group of its own. So Ctrl-C reaches only its parent, which then kills it.
    setpgid(0, 0);
    // A parent that was killed before this call sends no signal any more.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || chdir(directory) < 0)
        return;
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || dup2(input, 0) < 0)
        return;
    for (int index = 0; index < 3; index++)
        if (dup2(ends[index], index + 1) < 0)
            return;
    execv("/proc/self/exe", words);
}

int chost_start(const char *arguments, size_t count, const char *directory, int pipes[3]) {
    char *words[count + 2];
    words[0] = "swiftlet";
    words[count + 1] = NULL;
    for (size_t index = 1; index <= count; index++, arguments += strlen(arguments) + 1)
        words[index] = (char *)arguments;
    int ends[3] = {-1, -1, -1}, status = 0;
    pipes[0] = pipes[1] = pipes[2] = -1;
    for (int index = 0; index < 3 && status == 0; index++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0) {
            status = -errno;
            break;
        }
        pipes[index] = pair[0];
        // The number must be above 3, because the new process gets the ends of the pipes at the numbers 1 to 3.
        ends[index] = result(fcntl(pair[1], F_DUPFD_CLOEXEC, 4));
        close(pair[1]);
        status = ends[index] < 0 ? ends[index] : 0;
    }
    if (status == 0) {
        pid_t parent = getpid();
        status = result(fork());
        if (status == 0) {
            run_again(parent, words, directory, ends);
            _exit(127);
        }
    }
    for (int index = 0; index < 3; index++) {
        if (ends[index] >= 0)
            close(ends[index]);
        if (status < 0 && pipes[index] >= 0)
            close(pipes[index]);
    }
    return status;
}

int chost_await(int process) {
    int status;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void chost_reference_work(void) {
    enum { LINES = 4096, WORDS = 8 };
    static volatile uint64_t lines[LINES][WORDS];
    uint64_t product = 1;
    for (unsigned index = 0; index < LINES; index++) {
        // 769 and 4096 have no common divisor, so each line is visited once.
        volatile uint64_t *word = lines[index * 769 % LINES];
        *word = product = product * 6364136223846793005u + *word;
    }
}
