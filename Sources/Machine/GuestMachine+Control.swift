internal import Board
internal import Host
public import KVM
public import Memslots
internal import Synchronization

/// The registers of a vCPU.
public struct VCPURegisters: Sendable {
    /// The general registers.
    public var general: GeneralRegisters
    /// The system registers.
    public var system: SystemRegisters
    /// The floating-point registers.
    public var floatingPoint: FloatingPointRegisters
}

/// Methods that hold vCPUs, step them, and look into them. All can be called from any thread, before, during and after the run.
///
/// A vCPU is named by its number from 0, which is its APIC id. A vCPU is *held* when it is outside KVM_RUN and its last access
/// is complete. Its registers can be read while it is held, and also while a device keeps it. They can be written while it is
/// held, or before the run.
extension GuestMachine {
    /// The number of vCPUs.
    public var vcpuCount: Int { vcpus.count }

    // MARK: Holding

    /// Holds all vCPUs. Before the run, they are held in front of their first instructions.
    ///
    /// - Parameters:
    ///   - holders: The holders in whose name the vCPUs are held, until `resume(by:)`.
    ///   - patience: The time to wait for vCPUs that devices keep.
    /// - Returns: Whether all vCPUs are held. It is false if a device keeps a vCPU for longer than `patience`.
    @discardableResult
    public func pause(by holders: VCPUHolders = .debugger, patience: Duration = .seconds(1)) -> Bool {
        for vcpu in vcpus { vcpu.requestHold(by: holders) }
        let deadline = SuspendingClock.now + patience
        return vcpus.reduce(true) { $1.waitUntilHeld(for: deadline - .now) && $0 }
    }

    /// Holds one vCPU. Returns whether it is held. This is false if a device keeps the vCPU for longer than `patience`.
    @discardableResult
    public func pause(vcpu id: Int, patience: Duration = .seconds(1)) throws(MachineError) -> Bool {
        let vcpu = try vcpu(id)
        vcpu.requestHold(by: .debugger)
        return vcpu.waitUntilHeld(for: patience)
    }

    /// Lets all vCPUs go on that no other holders hold.
    public func resume(by holders: VCPUHolders = .debugger) {
        for vcpu in vcpus { vcpu.letGo(by: holders) }
    }

    /// Returns whether one of `holders` holds all vCPUs. A vCPU that a device keeps counts as held, because it stops when the
    /// device lets it go.
    public func isPaused(by holders: VCPUHolders) -> Bool {
        vcpus.allSatisfy { $0.control.withLock { !$0.holders.isDisjoint(with: holders) } }
    }

    /// Lets a vCPU go on, unless other holders hold it.
    public func resume(vcpu id: Int) throws(MachineError) {
        try vcpu(id).letGo(by: .debugger)
    }

    /// Lets a held vCPU execute one instruction, and does not wait for that. The vCPU then stops for `VCPUStop.step`. A vCPU
    /// that a device keeps stops when it has completed its access.
    public func step(vcpu id: Int) throws(MachineError) {
        let vcpu = try vcpu(id)
        try vcpu.control.update { control throws(MachineError) in
            guard control.isReadable, control.threadState != .ended else {
                throw .vcpu(control.threadState == .ended ? .ended(id) : .notHeld(id))
            }
            var step = control
            step.isStepWanted = true
            try kvm(try vcpu.cpu.setGuestDebug(step.debugSettings))
            vcpu.letGo(by: .debugger, &control)
            control.isStepWanted = true
        }
    }

    /// Waits until a vCPU stops by itself.
    ///
    /// - Returns: The reason of the stop, or nil if the time was over before, or if the run has ended.
    public func waitForStop(of id: Int, within time: Duration) throws(MachineError) -> VCPUStop? {
        let result: VCPUStop?? = try vcpu(id).control.wait(for: time) { control in
            if let stop = control.stop { return .some(stop) }
            return control.threadState == .ended ? .some(nil) : nil
        }
        return result ?? nil
    }

    /// Returns the reason why a vCPU has stopped by itself, or nil if it has not.
    public func stop(of id: Int) throws(MachineError) -> VCPUStop? {
        try vcpu(id).control.withLock { $0.stop }
    }

    /// Sets the handler that is called whenever a vCPU stops by itself. With a handler, a fault stops the vCPU before it ends
    /// the run, and a machine that has halted for good goes on.
    public func onStop(_ handler: (@Sendable () -> Void)?) {
        debugger.withLock { $0 = handler.map(StopHandler.init) }
    }

    /// Sets the addresses at which vCPUs stop. A vCPU stops there from its next entry into the guest on. All vCPUs must be held
    /// or kept by devices, or the run must not have begun.
    ///
    /// - Parameters:
    ///   - watches: At most four addresses that debug registers watch.
    ///   - breakpointInstructions: The linear addresses at which the caller has put INT3 into guest memory. The guest's own
    ///     INT3 raise #BP.
    ///   - stepsUntil: Linear addresses of instructions in front of which vCPUs stop without a debug register. They step one
    ///     instruction at a time until they are there. Each step is an exit.
    public func setStops(
        at watches: [GuestDebug.Watch], breakpointInstructions: Set<UInt64> = [], stepsUntil: Set<UInt64> = []
    ) throws(MachineError) {
        precondition(watches.count <= GuestDebug.registerCount, "there are four debug registers")
        for vcpu in vcpus {
            try vcpu.control.withLock { control throws(MachineError) in
                guard control.threadState != .ended else { return }
                guard control.isReadable else { throw .vcpu(.notHeld(Int(vcpu.cpu.id))) }
                control.debug.watches = watches
                control.debug.takesBreakpointInstructions = !breakpointInstructions.isEmpty
                control.breakpointInstructions = breakpointInstructions
                control.stepsUntil = stepsUntil
                try kvm(try vcpu.cpu.setGuestDebug(control.debugSettings))
            }
        }
    }

    // MARK: Registers and memory

    /// Returns the registers of a vCPU that is held, kept by a device, not started yet, or at its end.
    public func registers(of id: Int) throws(MachineError) -> VCPURegisters {
        try withReadable(id) { vcpu throws(MachineError) in
            VCPURegisters(
                general: try kvm(try vcpu.cpu.generalRegisters()), system: try kvm(try vcpu.cpu.systemRegisters()),
                floatingPoint: try kvm(try vcpu.cpu.floatingPointRegisters()))
        }
    }

    /// Writes the registers of a vCPU that is held or not started yet.
    ///
    /// If KVM refuses the system registers, because they contradict each other, nothing has changed.
    public func setRegisters(_ registers: VCPURegisters, of id: Int) throws(MachineError) {
        let vcpu = try vcpu(id)
        try vcpu.control.withLock { control throws(MachineError) in
            try control.requireHeld(id)
            try kvm(try vcpu.cpu.setSystemRegisters(registers.system))
            try kvm(try vcpu.cpu.setGeneralRegisters(registers.general))
            try kvm(try vcpu.cpu.setFloatingPointRegisters(registers.floatingPoint))
            control.hasNewRegisters = true
        }
    }

    /// Returns the guest-physical address to which a vCPU translates a linear address, or nil if nothing is mapped there
    /// (`KVM_TRANSLATE`).
    public func physicalAddress(ofLinear address: UInt64, on id: Int) throws(MachineError) -> GuestAddress? {
        try withReadable(id) { $0.cpu.physicalAddress(ofLinear: address).map { GuestAddress($0) } }
    }

    /// Calls `body` with a vCPU whose registers can be read.
    private func withReadable<Result>(
        _ id: Int, _ body: (VCPU) throws(MachineError) -> Result
    ) throws(MachineError) -> Result {
        let vcpu = try vcpu(id)
        return try vcpu.control.withLock { control throws(MachineError) in
            guard control.isReadable else { throw .vcpu(.notHeld(id)) }
            return try body(vcpu)
        }
    }

    /// Returns the bytes at a linear address of a vCPU, up to the first byte that is not mapped.
    public func read(count: Int, atLinear address: UInt64, on id: Int) throws(MachineError) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in Self.pages(of: count, at: address) {
            guard let physical = try physicalAddress(ofLinear: address &+ UInt64(part.lowerBound), on: id),
                let read = read(count: part.count, at: physical)
            else { break }
            bytes += read
        }
        return bytes
    }

    /// Returns the parts of a range that lie in one page each, counted from the beginning of the range.
    static func pages(of count: Int, at address: UInt64) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var done = 0
        while done < count {
            let left = Page.size - (address &+ UInt64(done)) % Page.size
            let end = min(count, done + Int(left))
            parts.append(done..<end)
            done = end
        }
        return parts
    }

    /// Copies bytes to a linear address of a vCPU, also into memory that the guest cannot write.
    ///
    /// - Returns: Whether all bytes were written. If a page is not mapped, no byte is written.
    public func write(_ bytes: [UInt8], atLinear address: UInt64, on id: Int) throws(MachineError) -> Bool {
        var places: [(part: Range<Int>, physical: GuestAddress)] = []
        for part in Self.pages(of: bytes.count, at: address) {
            guard let physical = try physicalAddress(ofLinear: address &+ UInt64(part.lowerBound), on: id),
                read(count: part.count, at: physical) != nil
            else { return false }
            places.append((part, physical))
        }
        return places.reduce(true) { write(Array(bytes[$1.part]), at: $1.physical) && $0 }
    }

    private func vcpu(_ id: Int) throws(MachineError) -> VCPU {
        guard vcpus.indices.contains(id) else { throw .vcpu(.none(id, count: vcpus.count)) }
        return vcpus[id]
    }
}

extension VCPUControl {
    /// Whether the vCPU is outside KVM_RUN, or will be at once. In the second case KVM's calls that read registers wait.
    var isReadable: Bool { threadState != .running || isHoldWanted }

    /// Throws unless the vCPU is held, or its thread has not started.
    func requireHeld(_ id: Int) throws(MachineError) {
        switch threadState {
        case .held, .notStarted: break
        case .running: throw .vcpu(isHoldWanted ? .kept(id) : .notHeld(id))
        case .ended: throw .vcpu(.ended(id))
        }
    }
}
