// The jail: which system calls a thread may still make once guests run. docs/security.md gives the reason for each call.
#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The check of a call's argument, beyond the number of the call.
enum check {
    // Every argument is allowed.
    ANY,
    // The memory must not be executable.
    NO_EXEC,
    // The signal must not be SIGSYS, which reports a forbidden call.
    NOT_SIGSYS,
    // The signal must go to this process.
    OWN_PROCESS,
    // The request must be one for the calling thread's name.
    NAME,
    // The file must exist already.
    NOT_CREATED,
    // The call fails with EACCES. The C library looks for a file under /proc when it gives memory back, and copes with the refusal.
    REFUSED,
};

struct rule {
    int call;
    enum check check;
};

// The calls that a vCPU's thread needs: for devices that exits reach, for changes of slots, and for what the C library and Swift's
// runtime do on their own.
static const struct rule vcpu_calls[] = {
    {SYS_futex, ANY},          {SYS_write, ANY},          {SYS_read, ANY},           {SYS_ppoll, ANY},
    {SYS_poll, ANY},           {SYS_sendmsg, ANY},        {SYS_recvmsg, ANY},        {SYS_sendto, ANY},
    {SYS_recvfrom, ANY},       {SYS_pread64, ANY},        {SYS_pwrite64, ANY},       {SYS_eventfd2, ANY},
    {SYS_close, ANY},          {SYS_fcntl, ANY},          {SYS_fstat, ANY},          {SYS_rt_sigreturn, ANY},
    {SYS_rt_sigprocmask, ANY}, {SYS_tgkill, OWN_PROCESS}, {SYS_kill, OWN_PROCESS},   {SYS_getpid, ANY},
    {SYS_gettid, ANY},         {SYS_mmap, NO_EXEC},       {SYS_mprotect, NO_EXEC},   {SYS_munmap, ANY},
    {SYS_mremap, ANY},         {SYS_madvise, ANY},        {SYS_brk, ANY},            {SYS_clock_gettime, ANY},
    {SYS_clock_nanosleep, ANY}, {SYS_nanosleep, ANY},     {SYS_sched_yield, ANY},    {SYS_restart_syscall, ANY},
    {SYS_getrandom, ANY},      {SYS_exit, ANY},           {SYS_exit_group, ANY},     {SYS_prctl, NAME},
    {SYS_shutdown, ANY},
    // The C library asks with this call for the size of a device's file.
    {SYS_newfstatat, ANY},
    // The number that a call has after a tracer made it invalid. strace does this in order to let a call fail.
    {-1, ANY},
};

// The further calls that threads other than those of vCPUs need: they start threads, rename finished files, and accept debuggers.
static const struct rule process_calls[] = {
    {SYS_clone3, ANY},         {SYS_clone, ANY},        {SYS_set_robust_list, ANY}, {SYS_rseq, ANY},
    {SYS_sigaltstack, ANY},    {SYS_seccomp, ANY},      {SYS_rename, ANY},          {SYS_unlink, ANY},
    {SYS_accept4, ANY},        {SYS_setsockopt, ANY},   {SYS_setitimer, ANY},       {SYS_rt_sigaction, NOT_SIGSYS},
    {SYS_lseek, ANY},          {SYS_sched_getaffinity, ANY},
};

// The calls that adding functions needs: for the memory of BARs, for the identity of a client, and for whether a device's
// descriptor is an eventfd.
static const struct rule adding_calls[] = {
    {SYS_memfd_create, ANY}, {SYS_ftruncate, ANY}, {SYS_getsockopt, ANY}, {SYS_readlink, ANY},
};

// The calls that making another machine needs, for experiments that make several.
static const struct rule making_calls[] = {
    {SYS_openat, NOT_CREATED}, {SYS_signalfd4, ANY}, {SYS_getdents64, ANY}, {SYS_prlimit64, ANY},
};

// The ioctl requests of vCPUs' threads (KVM_RUN comes first, because each exit makes it), of the other threads, and of making
// machines.
static const unsigned vcpu_requests[] = {
    KVM_RUN,         KVM_GET_REGS,       KVM_SET_REGS,        KVM_GET_SREGS,  KVM_SET_SREGS,
    KVM_GET_VCPU_EVENTS, KVM_GET_MP_STATE, KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_IOEVENTFD,
    KVM_IRQFD,       KVM_IRQ_LINE,       KVM_SIGNAL_MSI,      KVM_SET_GSI_ROUTING, VFIO_DEVICE_SET_IRQS,
    KVM_SET_GUEST_DEBUG, KVM_TRANSLATE, VFIO_DEVICE_RESET, VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA,
    KVM_SET_DEVICE_ATTR,
};
static const unsigned process_requests[] = {
    KVM_GET_FPU, KVM_SET_FPU, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_LAPIC,
    KVM_GET_IRQCHIP, KVM_CHECK_EXTENSION, TCGETS, TIOCGWINSZ,
};
static const unsigned making_requests[] = {
    KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_GET_VCPU_MMAP_SIZE, KVM_GET_SUPPORTED_CPUID, KVM_CREATE_VCPU,
    KVM_SET_CPUID2, KVM_CREATE_IRQCHIP, KVM_SET_IRQCHIP, KVM_CREATE_PIT2, KVM_GET_PIT2, KVM_SET_PIT2,
    KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR, KVM_ENABLE_CAP,
    // The requests KVM_SET_USER_MEMORY_REGION2 and KVM_CREATE_GUEST_MEMFD, which older headers lack.
    _IOC(_IOC_WRITE, KVMIO, 0x49, 160), _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0xd4, 64),
};

enum { SIZE = 512 };
#define COUNT(list) (sizeof(list) / sizeof *(list))

struct program {
    struct sock_filter code[SIZE];
    unsigned short count;
};

static void add(struct program *program, struct sock_filter instruction) {
    if (program->count < SIZE)
        program->code[program->count++] = instruction;
}

static void load(struct program *program, size_t offset) {
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void end(struct program *program, unsigned action) {
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// Makes the filter skip the next `count` instructions unless the loaded value is `value`.
static void skip_unless(struct program *program, unsigned value, unsigned char count) {
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

static size_t argument(int index) { return offsetof(struct seccomp_data, args) + 8 * (size_t)index; }

// Allows the call if the loaded value is one of `values`. Otherwise the filter goes on.
static void allow_any(struct program *program, const unsigned *values, size_t count) {
    for (size_t index = 0; index < count; index++) {
        skip_unless(program, values[index], 1);
        end(program, SECCOMP_RET_ALLOW);
    }
}

// Loads an argument. Returns `hit` if it equals `value` or, if `is_mask`, has a bit of `value` set. Otherwise returns `miss`.
static void check(struct program *program, int index, unsigned value, bool is_mask, unsigned hit, unsigned miss) {
    load(program, argument(index));
    unsigned short jump = is_mask ? BPF_JSET : BPF_JEQ;
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | jump | BPF_K, value, 0, 1));
    end(program, hit);
    end(program, miss);
}

// Applies a rule to the call whose number is loaded. For another call the filter skips the instructions of the rule, which are the
// four of `check` or a single one, and goes on with the number still loaded.
static void allow(struct program *program, struct rule rule) {
    const unsigned allowed = SECCOMP_RET_ALLOW, trapped = SECCOMP_RET_TRAP;
    skip_unless(program, (unsigned)rule.call, rule.check == ANY || rule.check == REFUSED ? 1 : 4);
    switch (rule.check) {
    case ANY: return end(program, allowed);
    case NO_EXEC: return check(program, 2, PROT_EXEC, true, trapped, allowed);
    case NOT_SIGSYS: return check(program, 0, SIGSYS, false, trapped, allowed);
    case OWN_PROCESS: return check(program, 0, (unsigned)getpid(), false, allowed, trapped);
    // The numbers of the two requests are 15 and 16, so the mask lets all requests below 32 through. None of them gives a thread
    // more than it has.
    case NAME: return check(program, 0, ~(unsigned)(PR_SET_NAME | PR_GET_NAME), true, trapped, allowed);
    case REFUSED: return end(program, SECCOMP_RET_ERRNO | EACCES);
    case NOT_CREATED: return check(program, 2, O_CREAT | O_TRUNC, true, trapped, allowed);
    }
}

static struct program program(bool is_vcpu, enum chost_jail purpose) {
    bool makes_machines = purpose == CHOST_JAIL_MAKING;
    struct program program = {.count = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    skip_unless(&program, AUDIT_ARCH_X86_64, 1);
    load(&program, offsetof(struct seccomp_data, nr));
    // A call of another architecture skips this load, so the loaded value is still the architecture's number. No allowed call has
    // that number, so the filter ends in the trap.
    size_t requests = COUNT(vcpu_requests) + (is_vcpu ? 0 : COUNT(process_requests))
                      + (makes_machines ? COUNT(making_requests) : 0);
    skip_unless(&program, SYS_ioctl, (unsigned char)(2 * requests + 2));
    load(&program, argument(1));
    allow_any(&program, vcpu_requests, COUNT(vcpu_requests));
    if (!is_vcpu)
        allow_any(&program, process_requests, COUNT(process_requests));
    if (makes_machines)
        allow_any(&program, making_requests, COUNT(making_requests));
    end(&program, SECCOMP_RET_TRAP);
    for (size_t index = 0; index < COUNT(vcpu_calls); index++)
        allow(&program, vcpu_calls[index]);
    for (size_t index = 0; !is_vcpu && index < COUNT(process_calls); index++)
        allow(&program, process_calls[index]);
    for (size_t index = 0; purpose != CHOST_JAIL_RUN && index < COUNT(adding_calls); index++)
        allow(&program, adding_calls[index]);
    for (size_t index = 0; makes_machines && index < COUNT(making_calls); index++)
        allow(&program, making_calls[index]);
    allow(&program, (struct rule){SYS_openat, REFUSED});
    end(&program, SECCOMP_RET_TRAP);
    return program;
}

static _Thread_local bool is_in_vcpu;

// Handles SIGSYS: names the forbidden call and ends the process. It makes only calls that a signal handler may make.
static void name_call(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    char text[160] = "swiftlet: the jail has stopped system call ", number[12], thread[16] = "";
    char *digit = number + sizeof number - 1;
    *digit = 0;
    unsigned call = (unsigned)info->si_syscall;
    do
        *--digit = (char)('0' + call % 10);
    while ((call /= 10) > 0);
    prctl(PR_GET_NAME, thread);
    strcat(strcat(strcat(strcat(text, digit), " of the thread "), thread), " (docs/security.md)\n");
    // The jail of a vCPU's thread does not allow `unlink`.
    if (!is_in_vcpu)
        chost_remove_temporaries();
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(CHOST_JAIL_STATUS);
    _exit(CHOST_JAIL_STATUS);
}

static int enter(bool is_vcpu, enum chost_jail purpose) {
    struct program filter = program(is_vcpu, purpose);
    struct sock_fprog description = {.len = filter.count, .filter = filter.code};
    // The filter of the process applies to all its threads. The filter of a vCPU applies to the calling thread.
    long status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, is_vcpu ? 0 : SECCOMP_FILTER_FLAG_TSYNC, &description);
    return status < 0 ? -errno : status > 0 ? -EBUSY : 0;
}

int chost_jail_process(enum chost_jail purpose) {
    // With this filter a core dump leaves out memory that is mapped from files. Most of a guest's memory is (core(5)).
    int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (filter >= 0) {
        if (write(filter, "0x31", 4) < 0)
            fprintf(stderr, "swiftlet: a core dump of this process would contain the guest's memory\n");
        close(filter);
    }
    struct sigaction action = {.sa_sigaction = name_call, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return enter(false, purpose);
}

int chost_jail_vcpu(void) {
    is_in_vcpu = true;
    return enter(true, CHOST_JAIL_RUN);
}
