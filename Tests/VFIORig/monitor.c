// The least monitor that assigns a function of the host to the guest `edu`: the bare system calls, and no library.
//
//     vfio-monitor 0000:00:01.0 <input
//
// It does for the guest what `swiftlet run edu --vfio 0000:00:01.0,at=00:01.0` does, with separate slots and strict decode. What the guest
// prints comes on standard output, and its status is that of the process.
#include "function.h"

#include <stdbool.h>
#include <sys/eventfd.h>

extern const uint8_t cguests_edu_start[], cguests_edu_end[];

enum {
    RAM = 16 << 20,
    LINE = 11,  // of 00:01.0
    MESSAGE = 24,
    FIRST_BAR = 0xe0000000u,
    MOVED_BAR = 0xe8000000u,
    BAR_SIZE = 1 << 20,
    COMMAND = 0x04,
    MEMORY = 2,
    LINE_OFF = 1 << 10,
    BAR0 = 0x10,
    INTERRUPT = 0x3c,
};

static uint8_t *ram;
static union {
    uint8_t bytes[256];
    uint32_t registers[64];
} config;
static uint32_t config_address, msi;
static int line_event = -1, line_resample = -1, message_event = -1;

// --- interrupts ---

// An event for the only interrupt of a kind, or without one the end of the kind.
static void set_interrupt(unsigned kind, unsigned action, int event) {
    struct {
        struct vfio_irq_set set;
        int event;
    } request = {{.argsz = sizeof request.set + (event < 0 ? 0 : sizeof(int)),
                  .flags = action | (event < 0 ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD),
                  .index = kind,
                  .count = event < 0 ? 0 : 1},
                 event};
    CALL(device, VFIO_DEVICE_SET_IRQS, &request);
}

static void set_irqfd(int event, unsigned number, int resample, bool is_taken) {
    struct kvm_irqfd request = {.fd = (unsigned)event,
                                .gsi = number,
                                .flags = (is_taken ? 0 : KVM_IRQFD_FLAG_DEASSIGN)
                                         | (is_taken && resample >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0),
                                .resamplefd = resample < 0 ? 0 : (unsigned)resample};
    CALL(vm, KVM_IRQFD, &request);
}

static int event(void) { return (int)check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"); }

static void set_routes(bool has_message) {
    static struct {
        struct kvm_irq_routing table;
        struct kvm_irq_routing_entry entries[64];
    } routes;
    struct kvm_irq_routing_entry *entry = routes.table.entries;
    for (unsigned line = 0; line < 24; line++) {
        *entry++ = (struct kvm_irq_routing_entry){
            .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {KVM_IRQCHIP_IOAPIC, line}};
        if (line < 16)
            *entry++ = (struct kvm_irq_routing_entry){
                .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {line / 8, line % 8}};
    }
    bool is_wide = config.registers[msi / 4] & 1 << 23;
    if (has_message)
        *entry++ = (struct kvm_irq_routing_entry){
            .gsi = MESSAGE,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi = {.address_lo = config.registers[msi / 4 + 1],
                      .address_hi = is_wide ? config.registers[msi / 4 + 2] : 0,
                      .data = config.registers[msi / 4 + (is_wide ? 3 : 2)]}};
    routes.table.nr = (unsigned)(entry - routes.table.entries);
    CALL(vm, KVM_SET_GSI_ROUTING, &routes.table);
}

static void raise_line(void) {
    line_event = event();
    line_resample = event();
    set_irqfd(line_event, LINE, line_resample, true);
    set_interrupt(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, line_event);
    set_interrupt(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, line_resample);
}

// One kind of interrupts goes down before the other comes up.
static void follow_interrupts(void) {
    bool is_on = config.registers[msi / 4] & 1 << 16;
    if (is_on && message_event < 0) {
        set_irqfd(line_event, LINE, line_resample, false);
        set_interrupt(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, -1);
        close(line_event), close(line_resample);
        message_event = event();
        set_routes(true);
        set_irqfd(message_event, MESSAGE, -1, true);
        set_interrupt(VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, message_event);
    } else if (!is_on && message_event >= 0) {
        set_irqfd(message_event, MESSAGE, -1, false);
        set_routes(false);
        set_interrupt(VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, -1);
        close(message_event);
        message_event = -1;
        raise_line();
    }
}

// --- the function ---

static void set_command(uint16_t command) {
    check(pwrite(device, &command, sizeof command, (off_t)config_place + COMMAND), "pwrite of the command register");
}

// The device answers as long as its slot is there.
static void write_config(unsigned offset, uint32_t value) {
    uint32_t *place = &config.registers[offset / 4], old = *place;
    if (offset == COMMAND) {
        *place = (old & 0xffff0000) | (value & (7 | LINE_OFF));
        bool was_on = old & MEMORY, is_on = value & MEMORY;
        if (was_on && !is_on)
            put_slot(1, config.registers[BAR0 / 4], 0, bar);
        if (*place != old)
            set_command((uint16_t)value);
        if (!was_on && is_on)
            put_slot(1, config.registers[BAR0 / 4], BAR_SIZE, bar);
    } else if (offset == BAR0) {
        value &= (uint32_t)-BAR_SIZE;
        if (config.registers[COMMAND / 4] & MEMORY && value != old) {
            put_slot(1, value, BAR_SIZE, bar);  // KVM moves the slot
        }
        *place = value;
    } else if (offset == INTERRUPT) {
        *place = (old & ~0xffu) | (value & 0xff);
    } else if (offset == msi) {
        *place = (old & ~0x00710000u) | (value & 0x00710000);
        follow_interrupts();
    } else if (offset > msi && offset <= msi + 12) {
        *place = value;
    }
}

static void access_config(bool is_write, unsigned byte, unsigned width, void *data) {
    bool is_there = (config_address & 0x80ffff00) == 0x80000800;
    unsigned offset = (config_address & 0xfc) + byte;
    if (!is_write && is_there)
        memcpy(data, config.bytes + offset, width);
    else if (!is_write)
        memset(data, 0xff, width);
    else if (is_there && width == 4)
        write_config(offset, *(uint32_t *)data);
}

// --- the host ---

static void open_device(const char *name) {
    open_function(name, BAR_SIZE);
    check(pread(device, config.bytes, sizeof config.bytes, (off_t)config_place), "pread");
    struct vfio_iommu_type1_dma_map request = {.argsz = sizeof request,
                                               .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                               .vaddr = (uintptr_t)ram,
                                               .size = RAM};
    CALL(container, VFIO_IOMMU_MAP_DMA, &request);
    for (msi = config.bytes[0x34]; msi && config.bytes[msi] != 5; msi = config.bytes[msi + 1]) {}
    config.registers[COMMAND / 4] &= 0xffff0000;
    config.registers[BAR0 / 4] = FIRST_BAR;
    config.bytes[INTERRUPT] = LINE;
    write_config(COMMAND, MEMORY);
    raise_line();
}

// What docs say a guest in long mode finds: a GDT, page tables that map 4 GiB, parameters, a stack.
static void set_up_memory(void) {
    static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    memcpy(ram + 0x500, gdt, sizeof gdt);
    uint64_t *tables = (uint64_t *)(ram + 0x1000);
    tables[0] = 0x2003;
    for (uint64_t table = 0; table < 4; table++) {
        tables[512 + table] = 0x3003 + (table << 12);
        for (uint64_t page = 0; page < 512; page++)
            tables[1024 + 512 * table + page] = (table << 30) + (page << 21) + 0x83;
    }
    *(uint64_t *)(ram + 0x9010) = MOVED_BAR;
    memcpy(ram + 0x10000, cguests_edu_start, (size_t)(cguests_edu_end - cguests_edu_start));
}

static void set_up_vcpu(int kvm, int vcpu) {
    static struct {
        struct kvm_cpuid2 cpuid;
        struct kvm_cpuid_entry2 entries[256];
    } list = {.cpuid.nent = 256};
    CALL(kvm, KVM_GET_SUPPORTED_CPUID, &list.cpuid);
    CALL(vcpu, KVM_SET_CPUID2, &list.cpuid);
    struct kvm_sregs system;
    CALL(vcpu, KVM_GET_SREGS, &system);
    struct kvm_segment data = {
        .limit = ~0u, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_segment code = {.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    system.cs = code;
    system.ds = system.es = system.ss = system.fs = system.gs = data;
    system.gdt.base = 0x500, system.gdt.limit = 23;
    system.cr0 = 0x80000011, system.cr3 = 0x1000, system.cr4 = 0x20, system.efer = 0x500;
    CALL(vcpu, KVM_SET_SREGS, &system);
    struct kvm_regs registers = {.rip = 0x10000, .rsp = 0x10000, .rflags = 2};
    CALL(vcpu, KVM_SET_REGS, &registers);
}

// Ports: the serial line, configuration space, the end.
static void handle(struct kvm_run *run) {
    static int waiting = -1;
    static bool has_ended;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    for (unsigned count = 0; count < run->io.count; count++, data += run->io.size) {
        bool is_write = run->io.direction == KVM_EXIT_IO_OUT;
        uint8_t byte = 4;
        switch (run->io.port) {
        case 0xf4: exit(*data);
        case 0x3f8:
            if (is_write) {
                check(write(1, data, 1), "write");
            } else {
                *data = (uint8_t)waiting;
                waiting = -1;
            }
            break;
        case 0x3fd:
            if (waiting < 0 && !has_ended) {
                has_ended = read(0, &byte, 1) < 1;
                waiting = byte;
            }
            *data = 0x60 | (waiting >= 0);
            break;
        case 0xcf8: is_write ? memcpy(&config_address, data, 4) : memcpy(data, &config_address, 4); break;
        case 0xcfc ... 0xcff: access_config(is_write, run->io.port & 3u, run->io.size, data); break;
        default:
            if (!is_write)
                memset(data, 0xff, run->io.size);
        }
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fputs("usage: vfio-monitor FUNCTION\n", stderr);
        return 64;
    }
    int kvm = (int)check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    vm = (int)CALL(kvm, KVM_CREATE_VM, 0);
    CALL(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
    CALL(vm, KVM_CREATE_IRQCHIP, 0);
    int vcpu = (int)CALL(vm, KVM_CREATE_VCPU, 0);
    int file = (int)check(memfd_create("ram", MFD_CLOEXEC), "memfd_create");
    check(ftruncate(file, RAM), "ftruncate");
    ram = map(file, RAM, 0);
    put_slot(0, 0, RAM, ram);
    set_up_memory();
    set_up_vcpu(kvm, vcpu);
    open_device(arguments[1]);
    struct kvm_run *run = map(vcpu, (size_t)CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 0);
    for (;;) {
        CALL(vcpu, KVM_RUN, 0);
        if (run->exit_reason != KVM_EXIT_IO) {
            fprintf(stderr, "vfio-monitor: exit reason %u\n", run->exit_reason);
            return 70;
        }
        handle(run);
    }
}
