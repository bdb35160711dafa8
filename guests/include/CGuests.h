/// The built-in guests: bare-metal images, each with the machine that it needs.
///
/// This module is in C because its guests are in assembly, and both C and Swift can name data between labels. README.md in the
/// directory above describes the machine that a guest finds when it starts.

#ifndef CGUESTS_H
#define CGUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The processor mode in which a guest starts. (Closed: Swift imports it as an enum with these cases and no others.)
enum __attribute__((enum_extensibility(closed))) cguests_mode {
    cguests_mode_real,       ///< 16-bit real mode
    cguests_mode_protected,  ///< 32-bit protected mode, flat segments, no paging
    cguests_mode_long,       ///< 64-bit long mode, identity-mapped
};

/// A memory slot beside the RAM. Each of its pages begins with its own guest address as a 64-bit number.
struct cguests_slot {
    uint64_t address;  ///< the guest-physical address, a multiple of 4 KiB
    uint64_t size;     ///< in bytes, a multiple of 4 KiB
    bool read_only;    ///< whether a write exits to the monitor, which drops it
};

enum { cguests_slot_limit = 2 };

/// A built-in guest.
struct cguests_guest {
    const char *name;      ///< the name that the user types; ends in a zero byte, as `shows` does
    const char *shows;     ///< what the guest demonstrates, in a line for a list, at most 72 characters
    const uint8_t *start;  ///< the first byte of the flat image
    const uint8_t *end;    ///< the first byte past it
    enum cguests_mode mode;
    uint64_t memory;  ///< the RAM in bytes, a multiple of 4 KiB
    uint32_t vcpus;   ///< the number of virtual processors, at least 1
    bool irqchip;     ///< whether it needs the in-kernel interrupt controllers
    bool pci_testdev;  ///< whether it needs the PCI test device
    size_t slot_count;
    struct cguests_slot slots[cguests_slot_limit];  ///< the extra slots, of which the first `slot_count` count
};

/// An initial RAM disk with which Linux prints the contents of sysfs about PCI functions.
extern const uint8_t *const cguests_linux_disk, *const cguests_linux_disk_end;

/// All built-in guests, in the order of the list that users see. (A pointer, because Swift does not import an array of unknown
/// length.)
extern const struct cguests_guest *const cguests_table;

/// The number of guests in `cguests_table`.
extern const size_t cguests_count;

#endif
