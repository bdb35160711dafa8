// The floor: the cost of a task in plain C with the bare system calls, without a library, and without checks other than those
// for errors.
//
// A failing call ends the process with a message, because then there is nothing to measure.
#ifndef FLOOR_H
#define FLOOR_H

#include <stddef.h>
#include <stdint.h>

// --- a virtual machine (vm.c) ---

/// A virtual machine with one vCPU, 2 MiB of RAM as slot 0, and `spare` further bytes in the same memfd.
struct floor_vm;

enum floor_mode { FLOOR_REAL, FLOOR_PROTECTED, FLOOR_INTERRUPTS };

/// Makes a machine. `code` is loaded at FLOOR_LOAD_ADDRESS, and starts there: in real mode, or in protected mode with flat
/// segments, without or with interrupt controllers in the kernel.
struct floor_vm *floor_vm_create(const uint8_t *code, size_t code_size, uint64_t spare, enum floor_mode mode);
void floor_vm_destroy(struct floor_vm *vm);

enum { FLOOR_LOAD_ADDRESS = 0x10000 };

/// Writes a byte of the guest's RAM.
void floor_vm_poke(struct floor_vm *vm, uint64_t address, uint8_t value);

/// Runs the guest by KVM_RUN and a switch until it writes to port 0xf4. Returns the number of exits. The guest's output to the
/// serial port goes to standard output. A write to an address without memory is kept in one word, which the guest reads there.
/// If `first_run` is not NULL, it gets the time of the first KVM_RUN.
uint64_t floor_vm_run(struct floor_vm *vm, int64_t *first_run);

/// Does the same in a thread of its own.
void floor_vm_start(struct floor_vm *vm);
void floor_vm_join(struct floor_vm *vm);

// --- a device in another process (device.c) ---

/// Connects to a device process, which speaks vfio-user, and returns the descriptor.
int floor_device_connect(const char *path);
void floor_device_close(int device);
/// Gives the device an eventfd for its MSI vector 1, which interrupts the guest by a message with this data to its first vCPU.
/// Returns the eventfd.
int floor_device_interrupt(struct floor_vm *vm, int device, uint32_t data);
/// Does the same as `floor_vm_run`, but asks the device for accesses to addresses without memory. They go to region 0, at the
/// low eight bits of the address.
uint64_t floor_vm_run_device(struct floor_vm *vm, int device);

// --- several vCPUs (vcpus.c) ---

/// The ports of the devices of `floor_run_vcpus`. Each device has one port.
enum { FLOOR_DEVICE_PORT = 0x700, FLOOR_DEVICE_STRIDE = 16 };

/// Runs a guest with `vcpus` vCPUs, at most 64, with interrupt controllers in the kernel. The guest begins in protected mode at
/// FLOOR_LOAD_ADDRESS on the first vCPU, reads the devices' ports, and ends with a write to port 0xf4. If the devices are
/// shared, each access takes a lock. Returns the nanoseconds from the start of the threads to their end.
int64_t floor_run_vcpus(const uint8_t *code, size_t code_size, int vcpus, int is_shared);

// --- slots (slots.c) ---

struct floor_slot {
    uint32_t id;
    uint32_t flags;
    uint64_t guest;
    uint64_t size;
    /// The offset in the spare memory.
    uint64_t offset;
};

/// Makes one call of KVM_SET_USER_MEMORY_REGION for each slot. It may create or move the slot, or change its flags.
void floor_set_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count);
void floor_delete_slots(const struct floor_vm *vm, const struct floor_slot *slots, size_t count);

// --- looking up addresses (lookup.c) ---

/// A sorted array of slots, which is searched without branches.
struct floor_table;

/// Makes a table. `slots` must be in the order of their addresses.
struct floor_table *floor_table_create(const struct floor_slot *slots, size_t count);
void floor_table_destroy(struct floor_table *table);

/// Looks up the slot at each address. Returns the sum of the ids, with `hole` for each address without a slot.
uint64_t floor_sum_ids(const struct floor_table *table, const uint64_t *addresses, size_t count, uint64_t hole);

/// Looks up the slot at each address with all its properties, or the hole. Returns the sum of the first and last addresses,
/// host addresses, ids and flags.
uint64_t floor_sum_finds(const struct floor_table *table, const uint64_t *addresses, size_t count);

// --- host memory (memory.c) ---

/// Reserved address space, and a memfd of which parts are mapped into it.
struct floor_window;

struct floor_window *floor_window_create(uint64_t size, uint64_t file_size);
void floor_window_destroy(struct floor_window *window);
uint64_t floor_window_address(const struct floor_window *window);
/// Returns the host address at which the whole file is mapped.
uint64_t floor_window_file_address(const struct floor_window *window);
void floor_window_map(const struct floor_window *window, uint64_t host, uint64_t file_offset, uint64_t size);
void floor_window_unmap(const struct floor_window *window, uint64_t host, uint64_t size);

// --- processes (spawn.c) ---

struct floor_child {
    /// The nanoseconds from before the start of the process to its first byte on standard output, and to its end.
    int64_t first_byte, end;
    /// The processor time that it took, in nanoseconds.
    int64_t processor;
    /// The most memory that it had in use, in KiB.
    int64_t peak;
    int status;
    /// The text that it wrote to standard error, and the first text that it wrote to standard output. Both end in a zero byte.
    char report[4096], output[4096];
};

/// Runs a program, and takes its output. NULL must follow the last argument.
void floor_spawn(char *const arguments[], struct floor_child *child);

/// Returns the time of CLOCK_MONOTONIC in nanoseconds.
int64_t floor_now(void);

/// Returns the processor time of this process in nanoseconds, in user space and in the kernel.
int64_t floor_processor_time(void);

/// Returns the number of user instructions so far, of this thread and of all threads that began after the first call. It is -1
/// if the processor or the kernel does not count them (perf_event_open).
int64_t floor_user_instructions(void);

/// Ends the process with a message that names errno.
_Noreturn void floor_fail(const char *what);

#endif
