// The part of CKVM.h for virtual CPUs: their registers, and the structure in which KVM describes exits. CKVM.h includes this file, after the headers that both need.
#ifndef CKVM_VCPU_H
#define CKVM_VCPU_H

// --- a virtual CPU ---

/// Maps the kvm_run structure of a vCPU, which KVM shares with user space and which has `size` bytes. Stores its address in `run`.
static inline int ckvm_map_run(int vcpu, size_t size, struct kvm_run **run) {
    *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    return *run == MAP_FAILED ? -errno : 0;
}

static inline void ckvm_unmap_run(struct kvm_run *run, size_t size) { munmap(run, size); }

static inline int ckvm_run(int vcpu) { return ckvm_result(ioctl(vcpu, KVM_RUN, 0)); }

/// The registers are a struct kvm_regs or, in the functions for system registers below, a struct kvm_sregs. Swift passes its own
/// structures, which have the same layout.
static inline int ckvm_get_regs(int vcpu, void *regs) { return ckvm_result(ioctl(vcpu, KVM_GET_REGS, regs)); }

static inline int ckvm_set_regs(int vcpu, const void *regs) { return ckvm_result(ioctl(vcpu, KVM_SET_REGS, regs)); }

static inline int ckvm_get_sregs(int vcpu, void *regs) { return ckvm_result(ioctl(vcpu, KVM_GET_SREGS, regs)); }

static inline int ckvm_set_sregs(int vcpu, const void *regs) { return ckvm_result(ioctl(vcpu, KVM_SET_SREGS, regs)); }

static inline int ckvm_set_cpuid(int vcpu, const void *entries, uint32_t count) {
    struct kvm_cpuid2 *block = ckvm_cpuid_block(count);
    if (!block)
        return -ENOMEM;
    block->nent = count;
    memcpy(block->entries, entries, count * sizeof *block->entries);
    int status = ckvm_result(ioctl(vcpu, KVM_SET_CPUID2, block));
    free(block);
    return status;
}

/// The bytes of an FXSAVE area that are in use. An XSAVE area begins with them. (KVM_GET_FPU and KVM_SET_FPU leave MXCSR out.)
enum { CKVM_FXSAVE_SIZE = 416 };

static inline int ckvm_get_fxsave(int vcpu, void *area) {
    struct kvm_xsave xsave;
    int status = ckvm_result(ioctl(vcpu, KVM_GET_XSAVE, &xsave));
    if (status >= 0)
        memcpy(area, xsave.region, CKVM_FXSAVE_SIZE);
    return status;
}

static inline int ckvm_set_fxsave(int vcpu, const void *area) {
    struct kvm_xsave xsave;
    int status = ckvm_result(ioctl(vcpu, KVM_GET_XSAVE, &xsave));
    if (status < 0)
        return status;
    memcpy(xsave.region, area, CKVM_FXSAVE_SIZE);
    // XSTATE_BV is the first word of the header. Its bits 0 and 1 say that the x87 and SSE registers are not in their initial
    // states.
    xsave.region[512 / sizeof *xsave.region] |= 3;
    return ckvm_result(ioctl(vcpu, KVM_SET_XSAVE, &xsave));
}

/// KVM_SET_GUEST_DEBUG, with the debug registers 0 to 3 and 7.
static inline int ckvm_set_guest_debug(int vcpu, uint32_t control, const uint64_t addresses[4], uint64_t dr7) {
    struct kvm_guest_debug debug = {.control = control};
    for (int i = 0; i < 4; i++)
        debug.arch.debugreg[i] = addresses[i];
    debug.arch.debugreg[7] = dr7;
    return ckvm_result(ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug));
}

/// KVM_GET_MP_STATE. Returns KVM_MP_STATE_RUNNABLE or another state. While the vCPU is in KVM_RUN, the call waits.
static inline int ckvm_get_mp_state(int vcpu) {
    struct kvm_mp_state state;
    int status = ckvm_result(ioctl(vcpu, KVM_GET_MP_STATE, &state));
    return status < 0 ? status : (int)state.mp_state;
}

/// Reads a 32-bit register of the vCPU's in-kernel local APIC, given its offset.
static inline int ckvm_local_apic_register(int vcpu, uint32_t offset, uint32_t *value) {
    struct kvm_lapic_state state;
    int status = ckvm_result(ioctl(vcpu, KVM_GET_LAPIC, &state));
    if (status >= 0)
        memcpy(value, state.regs + offset, sizeof *value);
    return status;
}

/// What KVM is about to deliver to a vCPU. An SMI counts as an NMI.
struct ckvm_pending_events {
    bool has_exception;
    uint8_t exception;
    bool has_nmi;
};

/// KVM_GET_VCPU_EVENTS.
static inline int ckvm_pending_events(int vcpu, struct ckvm_pending_events *pending) {
    struct kvm_vcpu_events events;
    int status = ckvm_result(ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events));
    if (status < 0)
        return status;
    pending->has_exception = events.exception.injected || events.exception.pending;
    pending->exception = events.exception.nr;
    pending->has_nmi = events.nmi.injected || events.nmi.pending || events.smi.pending;
    return 0;
}

/// KVM_TRANSLATE: the guest-physical address of a linear address, or -EFAULT if the guest's page tables do not map it.
static inline int ckvm_translate(int vcpu, uint64_t linear_address, uint64_t *physical_address) {
    struct kvm_translation translation = {.linear_address = linear_address};
    int status = ckvm_result(ioctl(vcpu, KVM_TRANSLATE, &translation));
    if (status < 0)
        return status;
    if (!translation.valid)
        return -EFAULT;
    *physical_address = translation.physical_address;
    return 0;
}

// --- kvm_run ---

static inline uint32_t ckvm_exit_reason(const struct kvm_run *run) { return run->exit_reason; }

/// Other threads write this flag while KVM reads it, so the write is atomic. It is an exchange, so that a thread which clears the
/// flag sees what other threads wrote before they set it.
static inline void ckvm_set_immediate_exit(struct kvm_run *run, bool value) {
    __atomic_exchange_n(&run->immediate_exit, (uint8_t)value, __ATOMIC_SEQ_CST);
}

struct ckvm_port_access {
    uint16_t port;
    uint8_t size;
    bool is_output;
    uint32_t count;
};

static inline struct ckvm_port_access ckvm_port_access(const struct kvm_run *run) {
    return (struct ckvm_port_access){
        .port = run->io.port,
        .size = run->io.size,
        .is_output = run->io.direction == KVM_EXIT_IO_OUT,
        .count = run->io.count,
    };
}

/// Returns the unit at `index` of a port access. A string instruction moves several units in one exit. Returns 0 for an index past
/// the last unit. Also returns 0 after an exit of another kind, when the union holds another member.
static inline uint32_t ckvm_port_load(const struct kvm_run *run, uint32_t index) {
    if (run->exit_reason != KVM_EXIT_IO || index >= run->io.count)
        return 0;
    uint32_t value = 0;
    const char *unit = (const char *)run + run->io.data_offset + (size_t)index * run->io.size;
    __builtin_memcpy(&value, unit, run->io.size <= sizeof value ? run->io.size : sizeof value);
    return value;
}

static inline void ckvm_port_store(struct kvm_run *run, uint32_t index, uint32_t value) {
    if (run->exit_reason != KVM_EXIT_IO || index >= run->io.count)
        return;
    char *unit = (char *)run + run->io.data_offset + (size_t)index * run->io.size;
    __builtin_memcpy(unit, &value, run->io.size <= sizeof value ? run->io.size : sizeof value);
}

struct ckvm_memory_access {
    uint64_t address;
    uint64_t value;
    uint32_t size;
    bool is_write;
};

static inline struct ckvm_memory_access ckvm_memory_access(const struct kvm_run *run) {
    struct ckvm_memory_access access = {
        .address = run->mmio.phys_addr,
        .size = run->mmio.len,
        .is_write = run->mmio.is_write,
    };
    if (access.is_write)
        __builtin_memcpy(&access.value, run->mmio.data, access.size <= 8 ? access.size : 8);
    return access;
}

static inline void ckvm_memory_store(struct kvm_run *run, uint64_t value) {
    if (run->exit_reason != KVM_EXIT_MMIO)
        return;
    __builtin_memcpy(run->mmio.data, &value, sizeof value);
}

/// The exception of KVM_EXIT_DEBUG: 1 after a step or for a debug register, 3 for a breakpoint instruction.
static inline uint32_t ckvm_debug_exception(const struct kvm_run *run) { return run->debug.arch.exception; }

/// DR6 at KVM_EXIT_DEBUG.
static inline uint64_t ckvm_debug_status(const struct kvm_run *run) { return run->debug.arch.dr6; }

static inline uint64_t ckvm_entry_failure(const struct kvm_run *run) {
    return run->fail_entry.hardware_entry_failure_reason;
}

static inline uint64_t ckvm_hardware_exit_reason(const struct kvm_run *run) { return run->hw.hardware_exit_reason; }

static inline uint32_t ckvm_system_event(const struct kvm_run *run) { return run->system_event.type; }

static inline uint32_t ckvm_internal_error(const struct kvm_run *run) { return run->internal.suberror; }

/// Copies the bytes of the instruction that KVM's emulator did not know, at most 15. Returns the number of bytes, or 0 if KVM does
/// not report them.
static inline uint32_t ckvm_emulation_failure(const struct kvm_run *run, uint8_t bytes[15]) {
    if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->emulation_failure.ndata < 3 ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
        return 0;
    uint32_t size = run->emulation_failure.insn_size;
    if (size > 15)
        size = 15;
    __builtin_memcpy(bytes, run->emulation_failure.insn_bytes, size);
    return size;
}

#endif
