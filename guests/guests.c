// The table of the built-in guests.

#include "CGuests.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

// The labels that `begin` and `end` (guest.h) put around an image.
#define DECLARE(label) extern const uint8_t cguests_##label##_start[], cguests_##label##_end[]
#define IMAGE(label) .start = cguests_##label##_start, .end = cguests_##label##_end

DECLARE(hello);
DECLARE(hello_protected);
DECLARE(hello_real);
DECLARE(echo);
DECLARE(echo_irq);
DECLARE(memory);
DECLARE(mmio);
DECLARE(smp);
DECLARE(pci);
DECLARE(watch);
DECLARE(hotplug);
DECLARE(multiboot);
DECLARE(multiboot_32);
DECLARE(testdev);
DECLARE(edu);
DECLARE(registers);
DECLARE(power);
DECLARE(fault);
DECLARE(linux_init);

const uint8_t *const cguests_linux_disk = cguests_linux_init_start;
const uint8_t *const cguests_linux_disk_end = cguests_linux_init_end;

static const struct cguests_guest table[] = {
    {
        .name = "hello",
        .shows = "a greeting from 64-bit long mode",
        IMAGE(hello),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
    },
    {
        .name = "hello-protected",
        .shows = "a greeting from 32-bit protected mode",
        IMAGE(hello_protected),
        .mode = cguests_mode_protected,
        .memory = MIB(2),
        .vcpus = 1,
    },
    {
        .name = "hello-real",
        .shows = "a greeting from 16-bit real mode",
        IMAGE(hello_real),
        .mode = cguests_mode_real,
        .memory = MIB(2),
        .vcpus = 1,
    },
    {
        .name = "echo",
        .shows = "serial input and output, by polling",
        IMAGE(echo),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
    },
    {
        .name = "echo-irq",
        .shows = "serial input and output, by interrupt, asleep in between",
        IMAGE(echo_irq),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "memory",
        .shows = "the edges of RAM below 3 GiB and above 4 GiB",
        IMAGE(memory),
        .mode = cguests_mode_long,
        .memory = GIB(5),
        .vcpus = 1,
    },
    {
        .name = "mmio",
        .shows = "absent, read-only and read-write memory",
        IMAGE(mmio),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
        .slot_count = 2,
        .slots = {
            {.address = 0xd0000000, .size = KIB(4), .read_only = true},
            {.address = 0xd0001000, .size = KIB(8), .read_only = false},
        },
    },
    {
        .name = "smp",
        .shows = "several processors, started by INIT and SIPI",
        IMAGE(smp),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 4,
        .irqchip = true,
    },
    {
        .name = "pci",
        .shows = "PCI functions found, sized, placed and put to use",
        IMAGE(pci),
        .mode = cguests_mode_long,
        .memory = MIB(16),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "watch",
        .shows = "checks that places in memory show nothing wrong while slots come and go",
        IMAGE(watch),
        .mode = cguests_mode_long,
        .memory = MIB(4),
        .vcpus = 1,
    },
    {
        .name = "hotplug",
        .shows = "PCI functions that come and go in the slots of ports",
        IMAGE(hotplug),
        .mode = cguests_mode_long,
        .memory = MIB(16),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "multiboot",
        .shows = "a multiboot kernel, 64-bit ELF: what its loader told it",
        IMAGE(multiboot),
        .mode = cguests_mode_protected,
        .memory = MIB(16),
        .vcpus = 2,
        .irqchip = true,
    },
    {
        .name = "multiboot-32",
        .shows = "the same in a flat file, and without long mode",
        IMAGE(multiboot_32),
        .mode = cguests_mode_protected,
        .memory = MIB(16),
        .vcpus = 2,
        .irqchip = true,
    },
    {
        .name = "testdev",
        .shows = "the devices of test kernels, and who counts PCI writes",
        IMAGE(testdev),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
        .irqchip = true,
        .pci_testdev = true,
    },
    {
        .name = "edu",
        .shows = "an assigned device: registers, interrupts and DMA",
        IMAGE(edu),
        .mode = cguests_mode_long,
        .memory = MIB(16),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "registers",
        .shows = "what the BARs of assigned devices begin with",
        IMAGE(registers),
        .mode = cguests_mode_long,
        .memory = MIB(16),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "power",
        .shows = "assigned devices that sleep, wake and are reset",
        IMAGE(power),
        .mode = cguests_mode_long,
        .memory = MIB(16),
        .vcpus = 1,
        .irqchip = true,
    },
    {
        .name = "fault",
        .shows = "a triple fault, on purpose",
        IMAGE(fault),
        .mode = cguests_mode_long,
        .memory = MIB(2),
        .vcpus = 1,
    },
};

const struct cguests_guest *const cguests_table = table;
const size_t cguests_count = sizeof table / sizeof table[0];

_Static_assert(sizeof table / sizeof table[0] == 18, "each guest declared above stands in the table once");
_Static_assert(cguests_mode_real == 0 && cguests_mode_long == 2, "the modes count up from real mode");
_Static_assert(sizeof(struct cguests_slot) == 24, "two numbers and a padded flag");
