// The floor: what a task costs in plain C with the bare system calls, no library and no checks beyond errors.
//
// A call that fails ends the process with a message: there is nothing to measure then.
#ifndef FLOOR_H
#define FLOOR_H

#include <stddef.h>
#include <stdint.h>

// --- a virtual machine (vm.c) ---

/// A virtual machine with one vCPU, 2 MiB of RAM as slot 0, and `spare` bytes more in the same memfd.
struct floor_vm;

enum floor_mode { FLOOR_REAL, FLOOR_PROTECTED, FLOOR_INTERRUPTS };

/// `code` is loaded, and would start, at FLOOR_LOAD_ADDRESS: in real mode, or in protected mode with flat
/// segments, without or with interrupt controllers in the kernel.
struct floor_vm *floor_vm_create(const uint8_t *code, size_t code_size, uint64_t spare, enum floor_mode mode);
void floor_vm_destroy(struct floor_vm *vm);

enum { FLOOR_LOAD_ADDRESS = 0x10000 };

/// Writes a byte of the guest's RAM.
void floor_vm_poke(struct floor_vm *vm, uint64_t address, uint8_t value);

/// KVM_RUN and a switch, until the guest writes to port 0xf4; returns how many exits there were. What the guest writes to
/// the serial port goes to standard output; what it writes where there is no memory is kept in one word, which it reads
/// there. `first_run`, if not NULL, gets the time of the first KVM_RUN.
uint64_t floor_vm_run(struct floor_vm *vm, int64_t *first_run);

/// The same in a thread of its own.
void floor_vm_start(struct floor_vm *vm);
void floor_vm_join(struct floor_vm *vm);

// --- a device in another process (device.c) ---

/// A connection to a device process, which speaks vfio-user, and its end.
int floor_device_connect(const char *path);
void floor_device_close(int device);
/// Gives the device an eventfd for its vector 1 of MSI, which interrupts the guest by a message to its first vCPU with this data. Returns
/// the eventfd.
int floor_device_interrupt(struct floor_vm *vm, int device, uint32_t data);
/// The same as `floor_vm_run`, but what the guest reads and writes where there is no memory is asked of the device: region 0, at the low
/// eight bits of the address.
uint64_t floor_vm_run_device(struct floor_vm *vm, int device);

// --- several vCPUs (vcpus.c) ---

/// Where the devices of `floor_run_vcpus` are: one port each.
enum { FLOOR_DEVICE_PORT = 0x700, FLOOR_DEVICE_STRIDE = 16 };

/// Runs a guest of so many vCPUs, at most 64, with interrupt controllers in the kernel. It begins in protected mode at
/// FLOOR_LOAD_ADDRESS on the first of them, reads the devices' ports, and ends with a write to port 0xf4. Devices that are shared
/// are locked at each access. Returns nanoseconds from the start of the threads to their end.
int64_t floor_run_vcpus(const uint8_t *code, size_t code_size, int vcpus, int is_shared);

// --- slots (slots.c) ---

struct floor_slot {
    uint32_t id;
    uint32_t flags;
    uint64_t guest;
    uint64_t size;
    /// In the spare memory.
    uint64_t offset;
};

/// One KVM_SET_USER_MEMORY_REGION for each: creates, moves and flags.
void floor_set_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count);
void floor_delete_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count);

// --- looking up addresses (lookup.c) ---

/// A sorted array of slots, searched without branches.
struct floor_table;

/// `slots` come by address.
struct floor_table *floor_table_create(const struct floor_slot *slots, size_t count);
void floor_table_destroy(struct floor_table *table);

/// Asks for each address which slot holds it; the sum of the ids, and of `hole` where there is none.
uint64_t floor_sum_ids(const struct floor_table *table, const uint64_t *addresses, size_t count, uint64_t hole);

/// Asks for each address for the slot with all that is known of it, or the hole; the sum of the first and last addresses,
/// host addresses, ids and flags.
uint64_t floor_sum_finds(const struct floor_table *table, const uint64_t *addresses, size_t count);

// --- host memory (memory.c) ---

/// Reserved address space, and parts of a memfd mapped into it.
struct floor_window;

struct floor_window *floor_window_create(uint64_t size, uint64_t file_size);
void floor_window_destroy(struct floor_window *window);
uint64_t floor_window_address(const struct floor_window *window);
/// The host address at which the whole file is mapped.
uint64_t floor_window_file_address(const struct floor_window *window);
void floor_window_map(const struct floor_window *window, uint64_t host, uint64_t file_offset, uint64_t size);
void floor_window_unmap(const struct floor_window *window, uint64_t host, uint64_t size);

// --- processes (spawn.c) ---

struct floor_child {
    /// Nanoseconds from before the start of the process to its first byte on standard output, and to its end.
    int64_t first_byte, end;
    /// Nanoseconds of processor time that it took.
    int64_t processor;
    /// The most memory that it had in use, in KiB.
    int64_t peak;
    int status;
    /// What it wrote to standard error, and the first that it wrote to standard output; both end in a zero byte.
    char report[4096], output[4096];
};

/// Runs a program with NULL behind its last argument, and takes its output.
void floor_spawn(char *const arguments[], struct floor_child *child);

/// Nanoseconds of CLOCK_MONOTONIC.
int64_t floor_now(void);

/// Nanoseconds that this process has had a processor, in user space and in the kernel.
int64_t floor_processor_time(void);

/// User instructions of this thread and of all threads that began after the first call, so far; -1 where the processor or
/// the kernel does not count them (perf_event_open).
int64_t floor_user_instructions(void);

/// Ends the process with a message that names errno.
_Noreturn void floor_fail(const char *what);

#endif
