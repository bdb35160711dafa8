// What Swift cannot say itself about Linux: a failing call leaves its reason in errno, signal sets and handlers are C
// structures and functions, and memfd_create and signalfd hide behind feature macros.
//
// Every call returns a value that is not negative, or -errno.
#ifndef CHOST_H
#define CHOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- the start of a process ---

/// An argument that the process was started with, by its number from 0; NULL behind the last. It needs no /proc.
const char *chost_argument(int index);
/// Opens those of the descriptors 0 to 2 that are closed, so that no other file gets their numbers. Reading and writing them fails, as
/// it did. Ignores SIGXFSZ as well: a file that grows beyond a limit is an error of the call. From then on SIGHUP, SIGINT, SIGQUIT,
/// SIGPIPE and SIGTERM end the process with status 130, each unless it was ignored.
int chost_prepare_process(void);
/// Ends the process with `status` after this time, whatever its threads wait for, and says so on standard error if that takes it. A
/// later call takes the place of an earlier one.
void chost_end_after(int64_t nanoseconds, int status);
/// What SIGPIPE does: ends the process, or nothing where it is ignored.
void chost_end_by_broken_pipe(void);

/// Notes a file that the end of the process by a signal is to remove, if there is room for its name.
void chost_remember(const char *temporary);
void chost_forget(const char *temporary);
/// Multiplies 4096 times, each time with a word of another cache line of 256 KiB. One thread calls it at a time.
void chost_reference_work(void);

/// Removes the files that were noted. A signal's handler may call it.
void chost_remove_temporaries(void);

// --- processes that run this program once more ---

/// Starts this program again, with `count` arguments that lie one behind the other in `arguments`, each with its NUL, in a directory and a
/// process group of its own. Its standard input is empty. Standard output, standard error and descriptor 3 are pipes, whose ends for reading
/// are put into `pipes`. The process is killed when the calling thread ends. Returns the number of the process.
int chost_start(const char *arguments, size_t count, const char *directory, int pipes[3]);
void chost_signal_process(int process, int signal);
/// Waits for the end of a process. Returns its exit status, or 128 and the number of the signal that ended it.
int chost_await(int process);

// --- the jail: which system calls a thread may still make ---

enum { CHOST_JAIL_STATUS = 77 };
/// Lets the threads of this process, and those that it starts, make only the calls in the table of Jail.c. Any other call ends the
/// process with CHOST_JAIL_STATUS, and says so on standard error. A machine to which functions are added may make memory files.
/// Experiments that make several machines may open files that are there as well.
enum chost_jail { CHOST_JAIL_RUN, CHOST_JAIL_ADDING, CHOST_JAIL_MAKING };
int chost_jail_process(enum chost_jail purpose);
/// Lets the calling thread make only the calls of a vCPU. The process is in its jail already.
int chost_jail_vcpu(void);

// --- memory: anonymous files and mappings ---

/// A new anonymous file of no size, its descriptor closed on exec.
int chost_memory_file(const char *name);
int chost_set_file_size(int fd, uint64_t size);
/// Seals an anonymous file against growing and shrinking, for good.
int chost_seal_size(int fd);
/// Bytes of a regular file; INT64_MAX for a device, whose size nobody can tell.
int64_t chost_file_size(int fd);
/// Another descriptor of the same open file, closed on exec.
int chost_duplicate(int fd);
/// Reserves `size` bytes of address space without memory behind it, at `address` from then on.
int chost_reserve(size_t size, void **address);
/// Maps a part of a file over reserved address space: shared, and not accounted for until it is touched.
int chost_map_file(void *address, size_t size, int fd, uint64_t offset);
/// Puts private memory over reserved address space, zero until it is touched, in huge pages where the host has them and `huge` asks
/// for them, else in small ones.
int chost_map_memory(void *address, size_t size, bool huge);
/// Gives back what lies in a part of reserved address space; the reservation stays.
int chost_unmap_file(void *address, size_t size);

// --- files that replace others ---

/// Creates a file for writing under a temporary name, with the permissions of the file at `path`, if there is one that may be written.
/// Its descriptor is not one of the first three. The end of the process by a signal removes the file.
int chost_create_beside(const char *path, const char *temporary);
/// Closes a file, and gives it its name.
int chost_commit(int fd, const char *temporary, const char *path);
void chost_remove_temporary(const char *temporary);

// --- threads and signals ---

/// The first real-time signal that the C library leaves to programs.
int chost_first_realtime_signal(void);
/// Takes a signal for kicks: it interrupts system calls and does nothing else. -EBUSY where the process handles it already.
int chost_take_kick_signal(int signal);
/// Gives the signal back to what it does by default.
void chost_give_back_kick_signal(void);
/// Lets the signal for kicks through to the calling thread, whatever the thread that started it blocks.
void chost_unblock_kicks(void);
/// The kernel's number of the calling thread.
int chost_thread_id(void);
/// Sends the signal for kicks to a thread of this process.
int chost_kick(int thread_id);
/// Joins a thread that ends within this time; -ETIMEDOUT where it does not.
int chost_join(pthread_t thread, int64_t nanoseconds);
/// Waits on a condition with its mutex held, for this long at most.
void chost_wait_for_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t nanoseconds);
/// Names the calling thread; 15 bytes are kept.
void chost_name_thread(const char *name);

// --- waiting: for the user's signals, for another thread, for input ---

/// A descriptor that can be read once SIGHUP, SIGINT, SIGQUIT, SIGPIPE or SIGTERM came, where `catches` blocks them for this thread and
/// those it starts; otherwise one that never can. A signal that is ignored stays ignored. Where the call fails, nothing is blocked.
int chost_signal_descriptor(bool catches);
/// Lets the signals through again, but for those that came before.
void chost_unblock_signals(int fd);
/// Sends SIGPIPE to the whole process, if the process ends by signals and this thread blocks it. The thread has met a broken pipe,
/// and would keep the signal for itself.
void chost_pass_on_broken_pipe(void);
/// The number of the signal that came.
int chost_take_signal(int fd);
int chost_event_descriptor(void);
int chost_post_event(int fd);

/// A local stream socket (unix(7)) that listens at a path, for its owner only. A socket of the same user there at which nobody
/// listens is replaced. The end of the process by a signal removes the file.
int chost_listen_local(const char *path);
/// Whether the other end of a local connection was made by this user, or by root.
bool chost_is_from(int fd, unsigned user);
/// A TCP socket that listens at a numerical address.
int chost_listen_internet(const char *host, uint16_t port);
/// The next connection, whose calls do not block.
int chost_accept(int listener);

/// A connection to a local stream socket. A server whose queue is full has a second to take it.
int chost_connect_local(const char *path);
/// Sends bytes and, with the first of them, descriptors. Returns the number of bytes that were sent, or -EAGAIN if there is no room.
int64_t chost_send_descriptors(int fd, const void *bytes, size_t size, const int *descriptors, size_t count);
/// Receives bytes and the descriptors beside them, at most `*count`, which are closed on exec. The kernel closes those beyond. Waits for
/// bytes if `waits` and the socket blocks.
int64_t chost_receive_descriptors(int fd, void *bytes, size_t size, bool waits, int *descriptors, size_t *count);
/// Waits until a descriptor can be read, or written. Returns 0 if the time is over or a signal came.
int chost_wait_for(int fd, bool writable, int64_t nanoseconds);
/// The number of events posted since the last call.
uint64_t chost_take_count(int fd);
/// Whether a descriptor is an eventfd, as far as /proc says.
bool chost_is_event(int fd);

/// Waits until one of the descriptors can be read (those below 0 are left out) or the time is over (below 0: for ever).
/// Returns a bit for each that is ready, bit 0 for the first; 0 where time ran out or a signal came.
int chost_wait(int first, int second, int third, int64_t nanoseconds);

#endif
