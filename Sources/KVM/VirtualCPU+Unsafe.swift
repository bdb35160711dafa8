internal import CKVM
internal import SystemPackage

/// A virtual CPU: its descriptor, and the structure through which KVM tells of its exits.
///
/// One thread runs it. Others may call `setImmediateExit` at any time. What they ask or set besides waits until the vCPU is outside
/// KVM_RUN.
@safe
public struct VirtualCPU: ~Copyable, Sendable {
    /// The APIC id.
    public let id: UInt32
    let descriptor: Descriptor
    private let runSize: Int
    // SAFETY: mapped from init to deinit, and `runSize` bytes long; KVM writes to it only within KVM_RUN.
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
        // SAFETY: the call maps a new region.
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

    /// Runs the guest until it needs the monitor (`KVM_RUN`).
    @inline(__always)
    public borrowing func runUntilExit() -> Exit {
        let result = ckvm_run(descriptor.number)
        guard result >= 0 else {
            let error = Errno(rawValue: -result)
            return error == .interrupted || error == .resourceTemporarilyUnavailable ? .interrupted : .failure(-result)
        }
        // SAFETY: the run structure is mapped, and KVM has filled the member that belongs to its exit reason.
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

    /// Makes the present or the next `runUntilExit` come back at once, while it is set.
    ///
    /// Any thread may call it; a vCPU that is in the guest needs a signal as well.
    public borrowing func setImmediateExit(_ value: Bool) {
        // SAFETY: an atomic store into the mapped structure.
        unsafe ckvm_set_immediate_exit(run, value)
    }

    /// The unit at `index` of the port output that the vCPU has just exited with.
    @inline(__always)
    public borrowing func portUnit(at index: UInt32) -> UInt32 {
        // SAFETY: KVM places `count` units inside the mapping, and the call looks at no others.
        unsafe ckvm_port_load(run, index)
    }

    /// Answers the unit at `index` of the port input that the vCPU has just exited with.
    @inline(__always)
    public borrowing func setPortUnit(_ value: UInt32, at index: UInt32) {
        // SAFETY: as in `portUnit`.
        unsafe ckvm_port_store(run, index, value)
    }

    /// Answers the memory read that the vCPU has just exited with.
    @inline(__always)
    public borrowing func setMemoryValue(_ value: UInt64) {
        // SAFETY: the data of a memory access are eight bytes inside the mapping; at other exits nothing is stored.
        unsafe ckvm_memory_store(run, value)
    }

    /// The bytes of the instruction at which KVM's emulator stopped (`KVM_INTERNAL_ERROR_EMULATION`), where it says.
    public borrowing func unemulatedInstruction() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 15)
        // SAFETY: the call copies at most 15 bytes.
        let count = unsafe ckvm_emulation_failure(run, &bytes)
        return Array(bytes.prefix(Int(count)))
    }
}

extension VirtualCPU {
    // SAFETY: each of these calls moves as many bytes as its structure has. `init` checks that KVM's have the same sizes.

    /// `KVM_GET_REGS`.
    public borrowing func generalRegisters() throws(KVMError) -> GeneralRegisters {
        var registers = GeneralRegisters()
        try check(unsafe ckvm_get_regs(descriptor.number, &registers), "KVM_GET_REGS", "vCPU \(id)")
        return registers
    }

    /// `KVM_SET_REGS`.
    public borrowing func setGeneralRegisters(_ registers: GeneralRegisters) throws(KVMError) {
        var registers = registers
        try check(unsafe ckvm_set_regs(descriptor.number, &registers), "KVM_SET_REGS", "vCPU \(id)")
    }

    /// `KVM_GET_SREGS`.
    public borrowing func systemRegisters() throws(KVMError) -> SystemRegisters {
        var registers = SystemRegisters()
        try check(unsafe ckvm_get_sregs(descriptor.number, &registers), "KVM_GET_SREGS", "vCPU \(id)")
        return registers
    }

    /// `KVM_SET_SREGS`; drops any interrupt that is pending.
    public borrowing func setSystemRegisters(_ registers: SystemRegisters) throws(KVMError) {
        var registers = registers
        registers.interrupts = .init(repeating: 0)
        try check(unsafe ckvm_set_sregs(descriptor.number, &registers), "KVM_SET_SREGS", "vCPU \(id)")
    }

    /// `KVM_SET_CPUID2`, before the vCPU first runs.
    public borrowing func setCPUID(_ leaves: [CPUIDEntry]) throws(KVMError) {
        // SAFETY: the call reads as many entries as it is told there are, and `supportedCPUID` checks that they have the size of
        // KVM's.
        try check(
            unsafe ckvm_set_cpuid(descriptor.number, leaves, UInt32(leaves.count)), "KVM_SET_CPUID2", "vCPU \(id)")
    }

    /// The first part of `KVM_GET_XSAVE`.
    public borrowing func floatingPointRegisters() throws(KVMError) -> FloatingPointRegisters {
        var registers = FloatingPointRegisters()
        try check(unsafe ckvm_get_fxsave(descriptor.number, &registers), "KVM_GET_XSAVE", "vCPU \(id)")
        return registers
    }

    /// The first part of `KVM_SET_XSAVE`; the rest stays.
    public borrowing func setFloatingPointRegisters(_ registers: FloatingPointRegisters) throws(KVMError) {
        var registers = registers
        try check(unsafe ckvm_set_fxsave(descriptor.number, &registers), "KVM_SET_XSAVE", "vCPU \(id)")
    }

    /// Sets what makes the vCPU exit for a debugger (`KVM_SET_GUEST_DEBUG`).
    public borrowing func setGuestDebug(_ debug: GuestDebug) throws(KVMError) {
        var addresses: [UInt64] = debug.watches.prefix(GuestDebug.registerCount).map(\.address)
        addresses += [UInt64](repeating: 0, count: GuestDebug.registerCount - addresses.count)
        // SAFETY: the call reads four addresses.
        func set(_ control: UInt32) -> Int32 {
            unsafe ckvm_set_guest_debug(descriptor.number, control, addresses, debug.dr7)
        }
        if debug.holdsInterrupts, set(debug.control | UInt32(KVM_GUESTDBG_BLOCKIRQ)) >= 0 { return }
        try check(set(debug.control), "KVM_SET_GUEST_DEBUG", "vCPU \(id)")
    }

    /// Raises #BP in the guest, for a breakpoint instruction of its own (`KVM_GUESTDBG_INJECT_BP`).
    public borrowing func raiseBreakpointException(_ debug: GuestDebug) throws(KVMError) {
        let control = debug.control | UInt32(KVM_GUESTDBG_ENABLE) | UInt32(KVM_GUESTDBG_INJECT_BP)
        let addresses = [UInt64](repeating: 0, count: GuestDebug.registerCount)
        // SAFETY: the call reads four addresses.
        try check(
            unsafe ckvm_set_guest_debug(descriptor.number, control, addresses, debug.dr7), "KVM_SET_GUEST_DEBUG",
            "vCPU \(id)")
    }

    /// What the vCPU does when it runs (`KVM_GET_MP_STATE`), or nil if KVM has no interrupt controllers or another state. The call waits
    /// as long as the vCPU is in KVM_RUN.
    public borrowing func activity() -> Activity? {
        switch ckvm_get_mp_state(descriptor.number) {
        case KVM_MP_STATE_RUNNABLE: .runnable
        case KVM_MP_STATE_UNINITIALIZED: .waitsForINIT
        case KVM_MP_STATE_INIT_RECEIVED: .waitsForSIPI
        case KVM_MP_STATE_HALTED: .halted
        default: nil
        }
    }

    /// A register of 32 bits of the local APIC in the kernel, by its offset (SDM volume 3A, 12.4.1), or nil if there is no such APIC.
    public borrowing func localAPICRegister(at offset: UInt32) -> UInt32? {
        var value: UInt32 = 0
        precondition(offset <= 0x3fc, "the registers have 1024 bytes")
        // SAFETY: the call writes one number, and the offset lies in KVM's structure.
        return unsafe ckvm_local_apic_register(descriptor.number, offset, &value) >= 0 ? value : nil
    }

    /// What KVM is about to deliver to the vCPU (`KVM_GET_VCPU_EVENTS`): the vector of an exception, and whether there is an NMI or SMI.
    public borrowing func pendingEvents() -> (exception: UInt8?, hasNMI: Bool) {
        var pending = ckvm_pending_events()
        // SAFETY: the call writes one structure.
        guard unsafe ckvm_pending_events(descriptor.number, &pending) >= 0 else { return (nil, false) }
        return (pending.has_exception ? pending.exception : nil, pending.has_nmi)
    }

    /// The guest-physical address that a linear one stands for now, or nil where it is not mapped (`KVM_TRANSLATE`).
    public borrowing func physicalAddress(ofLinear address: UInt64) -> UInt64? {
        var physical: UInt64 = 0
        // SAFETY: the call writes one number.
        return unsafe ckvm_translate(descriptor.number, address, &physical) >= 0 ? physical : nil
    }
}
