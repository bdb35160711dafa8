// The parts of Linux that Swift cannot express. A failing call leaves its reason in errno, signal sets and signal handlers are C
// structures and functions, and feature macros hide memfd_create and signalfd.
//
// A function that makes a system call returns a value that is not negative, or -errno, unless its type or comment says otherwise.
#ifndef CHOST_H
#define CHOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- the start of a process ---

/// Returns an argument of the process, by its index from 0 on, or NULL after the last one. Needs no /proc.
const char *chost_argument(int index);
/// Opens those of the descriptors 0 to 2 that are closed, so that no other file gets their numbers. Reading and writing these
/// descriptors still fails. Ignores SIGXFSZ, so that growing a file beyond a limit is an error of the call. From then on SIGHUP,
/// SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the process with status 130, except for those that were ignored.
int chost_prepare_process(void);
/// Ends the process with `status` after this time, whatever its threads wait for. Says so on standard error, if that can be written
/// at once. A later call replaces an earlier one.
void chost_end_after(int64_t nanoseconds, int status);

/// Remembers a file, if there is room for its name. If a signal ends the process, the file is removed.
void chost_remember(const char *temporary);
/// Forgets a file that was remembered.
void chost_forget(const char *temporary);
/// Multiplies 4096 times, each time with a word of another cache line of 256 KiB. Only one thread at a time may call it.
void chost_reference_work(void);

/// Removes the remembered files. A signal handler may call this.
void chost_remove_temporaries(void);

// --- processes that run this program once more ---

/// Starts this program again, in a directory and in a process group of its own. Its standard input is empty. Returns the id of the
/// process, which is killed when the calling thread ends. `arguments` holds `count` strings one after the other, each with its NUL.
/// `pipes` gets the reading ends of three pipes: the new process's standard output, standard error and descriptor 3.
int chost_start(const char *arguments, size_t count, const char *directory, int pipes[3]);
/// Waits for the end of a process. Returns its exit status, or 128 plus the number of the signal that ended it.
int chost_await(int process);

// --- the jail: which system calls a thread may still make ---

/// The exit status of a process that made a forbidden call.
enum { CHOST_JAIL_STATUS = 77 };
/// Lets this process's threads, and the threads that they start, make only the calls in the tables of Jail.c. Another call ends the
/// process with CHOST_JAIL_STATUS and a line on standard error. CHOST_JAIL_ADDING is for a machine to which functions are added: it
/// may make memory files. CHOST_JAIL_MAKING is for experiments that make several machines: they may also open existing files.
enum chost_jail { CHOST_JAIL_RUN, CHOST_JAIL_ADDING, CHOST_JAIL_MAKING };
int chost_jail_process(enum chost_jail purpose);
/// Lets the calling thread make only the calls of a vCPU's thread. The process must be in its jail already.
int chost_jail_vcpu(void);

// --- memory: anonymous files and mappings ---

/// Creates an empty anonymous file, whose descriptor is closed on exec.
int chost_memory_file(const char *name);
int chost_set_file_size(int fd, uint64_t size);
/// Seals an anonymous file for good, so that it can neither grow nor shrink.
int chost_seal_size(int fd);
/// Returns the bytes of a regular file, or INT64_MAX for a device, whose size is not known.
int64_t chost_file_size(int fd);
/// Returns another descriptor of the same open file, closed on exec.
int chost_duplicate(int fd);
/// Reserves `size` bytes of address space without memory behind them, and stores their address in `address`.
int chost_reserve(size_t size, void **address);
/// Maps a part of a file over reserved address space. The mapping is shared. Its memory is not accounted for until it is touched.
int chost_map_file(void *address, size_t size, int fd, uint64_t offset);
/// Maps private memory over reserved address space. The memory reads as zero, and takes up memory of the host once it is touched.
/// It has huge pages if `huge` asks for them and the host has them, and small pages otherwise.
int chost_map_memory(void *address, size_t size, bool huge);
/// Unmaps a part of reserved address space. The part stays reserved.
int chost_unmap_file(void *address, size_t size);

// --- files that replace others ---

/// Creates a file for writing under a temporary name. It gets the permissions of the file at `path`, if that exists. That file must
/// be writable. The descriptor is none of the first three. If a signal ends the process, the file is removed.
int chost_create_beside(const char *path, const char *temporary);
/// Closes a file and renames it to `path`.
int chost_commit(int fd, const char *temporary, const char *path);
/// Removes a file that was created under a temporary name.
void chost_remove_temporary(const char *temporary);

// --- threads and signals ---

/// Returns the first real-time signal that the C library leaves to programs.
int chost_first_realtime_signal(void);
/// Takes a signal for kicks: from then on it interrupts system calls and does nothing else. Returns -EBUSY if the process handles
/// the signal already.
int chost_take_kick_signal(int signal);
/// Gives the signal for kicks its default effect again.
void chost_give_back_kick_signal(void);
/// Unblocks the signal for kicks in the calling thread, which has inherited the signal mask of the thread that started it.
void chost_unblock_kicks(void);
/// Returns the kernel's id of the calling thread.
int chost_thread_id(void);
/// Sends the signal for kicks to a thread of this process.
int chost_kick(int thread_id);
/// Joins a thread. Returns -ETIMEDOUT if the thread does not end within this time.
int chost_join(pthread_t thread, int64_t nanoseconds);
/// Waits on a condition, with its mutex held, at most this long.
void chost_wait_for_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t nanoseconds);
/// Names the calling thread. The kernel keeps 15 bytes of the name.
void chost_name_thread(const char *name);

// --- waiting: for the user's signals, for another thread, for input ---

/// Returns a descriptor that can be read once SIGHUP, SIGINT, SIGQUIT, SIGPIPE or SIGTERM came. With `catches`, blocks these
/// signals for the calling thread and the threads that it starts. Without `catches`, the descriptor can never be read. A signal
/// that is ignored stays ignored. If the call fails, nothing is blocked.
int chost_signal_descriptor(bool catches);
/// Unblocks the signals again, and drops those that came before.
void chost_unblock_signals(int fd);
/// Sends SIGPIPE to the whole process, if the process ends by signals and the calling thread blocks SIGPIPE. A thread calls this
/// after it wrote to a broken pipe, because the signal would stay blocked in that thread.
void chost_pass_on_broken_pipe(void);
/// Returns the number of the signal that came, or -EAGAIN if none came.
int chost_take_signal(int fd);
/// Creates an eventfd whose reads do not block.
int chost_event_descriptor(void);
/// Adds one to the count of an eventfd.
int chost_post_event(int fd);

/// Creates a local stream socket (unix(7)) that listens at a path, for its owner only. It replaces a socket of the same user at
/// which nobody listens. If a signal ends the process, the socket's file is removed.
int chost_listen_local(const char *path);
/// Returns whether the other end of a local connection was made by `user` or by root.
bool chost_is_from(int fd, unsigned user);
/// Creates a TCP socket that listens at a numerical address.
int chost_listen_internet(const char *host, uint16_t port);
/// Accepts the next connection. Calls on it do not block.
int chost_accept(int listener);

/// Connects to a local stream socket. A server whose queue is full has a second to make room.
int chost_connect_local(const char *path);
/// Sends bytes, and descriptors with the first byte. Returns the number of bytes that were sent, or -EAGAIN if there is no room.
int64_t chost_send_descriptors(int fd, const void *bytes, size_t size, const int *descriptors, size_t count);
/// Receives bytes, and at most `*count` descriptors that came with them. The descriptors are closed on exec, and surplus ones are
/// closed. Waits for bytes if `waits` is true and the socket blocks.
int64_t chost_receive_descriptors(int fd, void *bytes, size_t size, bool waits, int *descriptors, size_t *count);
/// Waits until a descriptor can be read, or can be written if `writable`. Returns 0 if the time is over or a signal came.
int chost_wait_until_ready(int fd, bool writable, int64_t nanoseconds);
/// Returns the count of an eventfd, and sets the count to zero.
uint64_t chost_take_count(int fd);
/// Returns whether a descriptor is an eventfd. Without /proc the answer is false.
bool chost_is_event(int fd);

/// Waits until one of three descriptors can be read, or until the time is over. A descriptor below 0 is left out, and a time below
/// 0 means for ever. Returns one bit for each descriptor that is ready, bit 0 for the first, or 0 if the time is over or a signal
/// came.
int chost_wait_for_input(int first, int second, int third, int64_t nanoseconds);

#endif
