internal import CKVM
internal import SystemPackage

/// A virtual CPU: its descriptor, and the run structure in which KVM describes each exit.
///
/// One thread runs the vCPU. Other threads may call `setImmediateExit` at any time. If they make any other call, it waits until the
/// vCPU has left KVM_RUN.
@safe
public struct VirtualCPU: ~Copyable, Sendable {
    /// The APIC id.
    public let id: UInt32
    let descriptor: Descriptor
    private let runSize: Int
    // SAFETY: the structure is mapped from init to deinit and is `runSize` bytes long. KVM writes to it only during KVM_RUN.
    private nonisolated(unsafe) let run: UnsafeMutablePointer<kvm_run>

    init(descriptor: consuming Descriptor, id: UInt32, runSize: Int) throws(KVMError) {
        precondition(
            MemoryLayout<GeneralRegisters>.size == MemoryLayout<kvm_regs>.size
                && MemoryLayout<SystemRegisters>.size == MemoryLayout<kvm_sregs>.size
                && MemoryLayout<FloatingPointRegisters>.size == CKVM_FXSAVE_SIZE
                && MemoryLayout<SystemRegisters>.offset(of: \.apicBase)
                    == MemoryLayout<kvm_sregs>.offset(of: \.apic_base)
        )
        var mapped: UnsafeMutablePointer<kvm_run>?
        // SAFETY: the call maps a new region and overwrites none.
        try check(
            unsafe ckvm_map_run(descriptor.number, runSize, &mapped), "mmap", "the run structure of vCPU \(id)")
        guard let run = unsafe mapped else { preconditionFailure("mmap gave no address") }
        self.id = id
        self.descriptor = descriptor
        self.runSize = runSize
        unsafe self.run = run
    }

    deinit {
        // SAFETY: nothing borrows the mapping any more.
        unsafe ckvm_unmap_run(run, runSize)
    }

    /// Runs the guest until the vCPU exits (`KVM_RUN`).
    @inline(__always)
    public borrowing func runUntilExit() -> Exit {
        let result = ckvm_run(descriptor.number)
        guard result >= 0 else {
            let error = Errno(rawValue: -result)
            return error == .interrupted || error == .resourceTemporarilyUnavailable ? .interrupted : .failure(-result)
        }
        // SAFETY: the run structure is mapped, and KVM has filled the member of the union that belongs to the exit reason.
        switch Int32(truncatingIfNeeded: unsafe ckvm_exit_reason(run)) {
        case KVM_EXIT_IO:
            let access = unsafe ckvm_port_access(run)
            return .port(
                PortAccess(port: access.port, size: access.size, isOutput: access.is_output, count: access.count))
        case KVM_EXIT_MMIO:
            let access = unsafe ckvm_memory_access(run)
            return .memory(
                MemoryAccess(
                    address: access.address, size: access.size, isWrite: access.is_write, value: access.value))
        case KVM_EXIT_HLT: return .halt
        case KVM_EXIT_SHUTDOWN: return .shutdown
        case KVM_EXIT_INTR: return .interrupted
        case KVM_EXIT_IRQ_WINDOW_OPEN: return .interruptWindow
        case KVM_EXIT_SYSTEM_EVENT: return .systemEvent(unsafe ckvm_system_event(run))
        case KVM_EXIT_FAIL_ENTRY: return .entryFailure(unsafe ckvm_entry_failure(run))
        case KVM_EXIT_INTERNAL_ERROR: return .internalError(unsafe ckvm_internal_error(run))
        case KVM_EXIT_UNKNOWN: return .unknown(unsafe ckvm_hardware_exit_reason(run))
        case KVM_EXIT_DEBUG:
            return .debug(
                DebugExit(exception: unsafe ckvm_debug_exception(run), status: unsafe ckvm_debug_status(run)))
        case let reason: return .unsupported(UInt32(bitPattern: reason))
        }
    }

    /// Sets or clears the flag `immediate_exit`. While it is set, `runUntilExit` returns at once with `.interrupted`.
    ///
    /// Any thread may call this method. A vCPU that is in the guest needs a signal as well.
    public borrowing func setImmediateExit(_ value: Bool) {
        // SAFETY: an atomic store into the mapped structure.
        unsafe ckvm_set_immediate_exit(run, value)
    }

    /// Returns the unit at `index` of the port output for which the vCPU has just exited.
    @inline(__always)
    public borrowing func portUnit(at index: UInt32) -> UInt32 {
        // SAFETY: KVM places `count` units inside the mapping, and the call reads no others.
        unsafe ckvm_port_load(run, index)
    }

    /// Sets the unit at `index` of the port input for which the vCPU has just exited.
    @inline(__always)
    public borrowing func setPortUnit(_ value: UInt32, at index: UInt32) {
        // SAFETY: KVM places `count` units inside the mapping, and the call writes no others.
        unsafe ckvm_port_store(run, index, value)
    }

    /// Answers the memory read for which the vCPU has just exited.
    @inline(__always)
    public borrowing func setMemoryValue(_ value: UInt64) {
        // SAFETY: the data of a memory access is eight bytes inside the mapping. After any other exit the call stores nothing.
        unsafe ckvm_memory_store(run, value)
    }

    /// Returns the bytes of the instruction that KVM's emulator did not know (`KVM_INTERNAL_ERROR_EMULATION`). They are empty if
    /// KVM does not report them.
    public borrowing func unemulatedInstruction() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 15)
        // SAFETY: the call copies at most 15 bytes.
        let count = unsafe ckvm_emulation_failure(run, &bytes)
        return Array(bytes.prefix(Int(count)))
    }
}

extension VirtualCPU {
    // SAFETY: each of these calls moves exactly the bytes of its structure. `init` checks that KVM's structures have the same
    // sizes.

    /// Returns the general registers (`KVM_GET_REGS`).
    public borrowing func generalRegisters() throws(KVMError) -> GeneralRegisters {
        var registers = GeneralRegisters()
        try check(unsafe ckvm_get_regs(descriptor.number, &registers), "KVM_GET_REGS", "vCPU \(id)")
        return registers
    }

    /// Sets the general registers (`KVM_SET_REGS`).
    public borrowing func setGeneralRegisters(_ registers: GeneralRegisters) throws(KVMError) {
        var registers = registers
        try check(unsafe ckvm_set_regs(descriptor.number, &registers), "KVM_SET_REGS", "vCPU \(id)")
    }

    /// Returns the segment, table and control registers (`KVM_GET_SREGS`).
    public borrowing func systemRegisters() throws(KVMError) -> SystemRegisters {
        var registers = SystemRegisters()
        try check(unsafe ckvm_get_sregs(descriptor.number, &registers), "KVM_GET_SREGS", "vCPU \(id)")
        return registers
    }

    /// Sets the segment, table and control registers (`KVM_SET_SREGS`). Drops any pending interrupt.
    public borrowing func setSystemRegisters(_ registers: SystemRegisters) throws(KVMError) {
        var registers = registers
        registers.interrupts = .init(repeating: 0)
        try check(unsafe ckvm_set_sregs(descriptor.number, &registers), "KVM_SET_SREGS", "vCPU \(id)")
    }

    /// Sets the CPUID leaves (`KVM_SET_CPUID2`). The vCPU must not have run yet.
    public borrowing func setCPUID(_ leaves: [CPUIDEntry]) throws(KVMError) {
        // SAFETY: the call reads exactly as many entries as the array has. `supportedCPUID` checks that an entry has the size of
        // KVM's.
        try check(
            unsafe ckvm_set_cpuid(descriptor.number, leaves, UInt32(leaves.count)), "KVM_SET_CPUID2", "vCPU \(id)")
    }

    /// Returns the x87 and SSE registers: the first part of `KVM_GET_XSAVE`.
    public borrowing func floatingPointRegisters() throws(KVMError) -> FloatingPointRegisters {
        var registers = FloatingPointRegisters()
        try check(unsafe ckvm_get_fxsave(descriptor.number, &registers), "KVM_GET_XSAVE", "vCPU \(id)")
        return registers
    }

    /// Sets the x87 and SSE registers: the first part of `KVM_SET_XSAVE`. The other parts stay as they are.
    public borrowing func setFloatingPointRegisters(_ registers: FloatingPointRegisters) throws(KVMError) {
        var registers = registers
        try check(unsafe ckvm_set_fxsave(descriptor.number, &registers), "KVM_SET_XSAVE", "vCPU \(id)")
    }

    /// Sets the conditions under which the vCPU exits for a debugger (`KVM_SET_GUEST_DEBUG`).
    public borrowing func setGuestDebug(_ debug: GuestDebug) throws(KVMError) {
        if debug.holdsInterrupts, set(debug, debug.control | UInt32(KVM_GUESTDBG_BLOCKIRQ)) >= 0 { return }
        try check(set(debug, debug.control), "KVM_SET_GUEST_DEBUG", "vCPU \(id)")
    }

    private borrowing func set(_ debug: GuestDebug, _ control: UInt32) -> Int32 {
        let watched = debug.watches.prefix(GuestDebug.registerCount).map(\.address)
        let addresses = watched + [UInt64](repeating: 0, count: GuestDebug.registerCount - watched.count)
        // SAFETY: the call reads four addresses, and the array has four.
        return unsafe ckvm_set_guest_debug(descriptor.number, control, addresses, debug.dr7)
    }

    /// Raises #BP in the guest (`KVM_GUESTDBG_INJECT_BP`). This is for an exit that was caused by a breakpoint instruction of the
    /// guest itself. The conditions `debug` stay in force.
    public borrowing func raiseBreakpointException(_ debug: GuestDebug) throws(KVMError) {
        let control = debug.control | UInt32(KVM_GUESTDBG_ENABLE) | UInt32(KVM_GUESTDBG_INJECT_BP)
        try check(set(debug, control), "KVM_SET_GUEST_DEBUG", "vCPU \(id)")
    }

    /// Returns what the vCPU does in KVM_RUN (`KVM_GET_MP_STATE`). While the vCPU is in KVM_RUN, the call waits. Returns nil if the
    /// machine has no in-kernel interrupt controllers, or if KVM reports another state.
    public borrowing func activity() -> Activity? {
        switch ckvm_get_mp_state(descriptor.number) {
        case KVM_MP_STATE_RUNNABLE: .runnable
        case KVM_MP_STATE_UNINITIALIZED: .waitsForINIT
        case KVM_MP_STATE_INIT_RECEIVED: .waitsForSIPI
        case KVM_MP_STATE_HALTED: .halted
        default: nil
        }
    }

    /// Returns a 32-bit register of the vCPU's in-kernel local APIC, given its offset (SDM volume 3A, 12.4.1). Returns nil if there
    /// is no such APIC.
    public borrowing func localAPICRegister(at offset: UInt32) -> UInt32? {
        var value: UInt32 = 0
        precondition(offset <= 0x3fc, "the registers have 1024 bytes")
        // SAFETY: the call writes one number, and the offset lies within KVM's structure.
        return unsafe ckvm_local_apic_register(descriptor.number, offset, &value) >= 0 ? value : nil
    }

    /// Returns what KVM is about to deliver to the vCPU (`KVM_GET_VCPU_EVENTS`): the vector of an exception, or nil, and whether an
    /// NMI or SMI is pending.
    public borrowing func pendingEvents() -> (exception: UInt8?, hasNMI: Bool) {
        var pending = ckvm_pending_events()
        // SAFETY: the call writes one structure.
        guard unsafe ckvm_pending_events(descriptor.number, &pending) >= 0 else { return (nil, false) }
        return (pending.has_exception ? pending.exception : nil, pending.has_nmi)
    }

    /// Returns the guest-physical address to which the guest's page tables map a linear address now (`KVM_TRANSLATE`). Returns nil
    /// if the linear address is not mapped.
    public borrowing func physicalAddress(ofLinear address: UInt64) -> UInt64? {
        var physical: UInt64 = 0
        // SAFETY: the call writes one number.
        return unsafe ckvm_translate(descriptor.number, address, &physical) >= 0 ? physical : nil
    }
}
