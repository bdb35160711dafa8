// What the kernel does with a function of the host whose slots and decode, power state or reset come in one order or the other.
//
//     vfio-orders 0000:01:00.0
//
// The function needs memory in BAR 0, a power state and a function-level reset. Each line of the output is one observation; the process
// ends with status 1 if one of them is not as docs/vfio.md says.
#include "function.h"

#include <setjmp.h>
#include <signal.h>

enum { PAGE = 4096, REGISTER = 8, COMMAND = 4, MEMORY = 2, GUEST_BAR = 0x8000, D3HOT = 3 };

static int vcpu, failures;
static struct kvm_run *run;
static unsigned power, express;
static uint32_t expected;

static void see(const char *what, int is_so) {
    printf("%s: %s\n", what, is_so ? "yes" : "NO");
    failures += !is_so;
}

static void set_config(unsigned offset, uint16_t value) {
    check(pwrite(device, &value, sizeof value, (off_t)(config_place + offset)), "pwrite");
}

static uint16_t get_config(unsigned offset) {
    uint16_t value = 0;
    check(pread(device, &value, sizeof value, (off_t)(config_place + offset)), "pread");
    return value;
}

static unsigned capability(unsigned id) {
    unsigned offset = get_config(0x34) & 0xfc;
    while (offset && (get_config(offset) & 0xff) != id)
        offset = get_config(offset) >> 8 & 0xfc;
    return offset;
}

static void set_slot(int is_there) { put_slot(1, GUEST_BAR, is_there ? PAGE : 0, bar); }

// What KVM_RUN comes to when the guest reads the register: 0, or the errno.
static int guest_reads(uint32_t *value) {
    struct kvm_regs registers = {.rip = 0x1000, .rflags = 2};
    CALL(vcpu, KVM_SET_REGS, &registers);
    if (ioctl(vcpu, KVM_RUN, 0) < 0)
        return errno;
    CALL(vcpu, KVM_GET_REGS, &registers);
    *value = (uint32_t)registers.rax;
    return run->exit_reason == KVM_EXIT_HLT ? 0 : -1;
}

static int guest_finds_it(void) {
    uint32_t value = 0;
    return guest_reads(&value) == 0 && value == expected;
}

static sigjmp_buf before_load;
static void on_fault(int signal) { siglongjmp(before_load, signal); }

static int load_faults(void) {
    volatile uint32_t *place = (volatile uint32_t *)(bar + REGISTER);
    int signal = sigsetjmp(before_load, 1);
    if (!signal)
        (void)*place;
    return signal == SIGBUS;
}

static int read_fails(void) {
    uint32_t value;
    return pread(device, &value, sizeof value, (off_t)bar_place + REGISTER) < 0 && errno == EIO;
}

// Takes memory away while a slot shows it, and gives it back.
static void wrong_order(const char *what, unsigned offset, uint16_t off, uint16_t on) {
    uint32_t value;
    printf("-- %s while a slot shows the BAR\n", what);
    set_config(offset, off);
    see("a guest's access ends KVM_RUN with EFAULT", guest_reads(&value) == EFAULT);
    see("a load from the mapping is SIGBUS", load_faults());
    see("pread is EIO", read_fails());
    set_slot(0);
    set_slot(1);
    see("slots can be deleted and created", 1);
    set_config(offset, on);
    see("afterwards a guest finds the register as before", guest_finds_it());
}

static void right_order(const char *what, unsigned offset, uint16_t off, uint16_t on) {
    uint32_t value;
    printf("-- %s after the slot has gone\n", what);
    set_slot(0);
    set_config(offset, off);
    see("a guest's access exits to the monitor", guest_reads(&value) == -1 && run->exit_reason == KVM_EXIT_MMIO);
    ioctl(vcpu, KVM_RUN, 0);  // completes the access
    set_config(offset, on);
    set_slot(1);
    see("afterwards a guest finds the register as before", guest_finds_it());
}

static void reset(const char *what, int is_by_bit) {
    printf("-- %s while a slot shows the BAR\n", what);
    uint16_t command = get_config(COMMAND);
    if (is_by_bit)
        set_config(express + 8, get_config(express + 8) | 0x8000);
    else
        CALL(device, VFIO_DEVICE_RESET, 0);
    see("the kernel restores the command register", get_config(COMMAND) == command);
    see("the function is awake", (get_config(power + 4) & 3) == 0);
    see("a guest finds the register as before", guest_finds_it());
}

// One vCPU in real mode: mov eax, [0x8008]; hlt.
static void make_vm(void) {
    static const uint8_t code[] = {0x66, 0xa1, 0x08, 0x80, 0xf4};
    int kvm = (int)check(open("/dev/kvm", O_RDWR), "/dev/kvm");
    vm = (int)CALL(kvm, KVM_CREATE_VM, 0);
    CALL(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
    vcpu = (int)CALL(vm, KVM_CREATE_VCPU, 0);
    run = map(vcpu, (size_t)CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 0);
    int file = (int)check(memfd_create("code", MFD_CLOEXEC), "memfd_create");
    check(write(file, code, sizeof code), "write");
    check(ftruncate(file, PAGE), "ftruncate");
    put_slot(0, 0x1000, PAGE, map(file, PAGE, 0));
    struct kvm_sregs system;
    CALL(vcpu, KVM_GET_SREGS, &system);
    system.cs.base = system.cs.selector = 0;
    CALL(vcpu, KVM_SET_SREGS, &system);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fputs("usage: vfio-orders FUNCTION\n", stderr);
        return 64;
    }
    signal(SIGBUS, on_fault);
    make_vm();
    open_function(arguments[1], PAGE);
    power = capability(1);
    express = capability(0x10);
    set_config(COMMAND, MEMORY);
    set_slot(1);
    check(guest_reads(&expected) ? -1 : 0, "the first access");
    see("a guest finds a register", expected != 0 && expected != ~0u);
    wrong_order("decode goes", COMMAND, 0, MEMORY);
    right_order("decode goes", COMMAND, 0, MEMORY);
    wrong_order("the function sleeps (D3hot)", power + 4, D3HOT, 0);
    right_order("the function sleeps (D3hot)", power + 4, D3HOT, 0);
    reset("VFIO_DEVICE_RESET", 0);
    reset("a reset by the bit of device control", 1);
    set_slot(0);
    set_config(power + 4, D3HOT);
    set_slot(1);
    reset("VFIO_DEVICE_RESET of a function that sleeps", 0);
    return failures > 0;
}
