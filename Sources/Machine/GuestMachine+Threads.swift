internal import Host
internal import KVM
internal import Memslots
internal import Synchronization
internal import SystemPackage

/// The threads of vCPUs.
extension GuestMachine {
    /// Runs a vCPU in its thread: enters the guest and handles the exit, again and again until the run ends.
    func runVCPU(_ vcpu: VCPU) {
        do { try Jail.enterVCPU() } catch { return end(.internalError("\(error)")) }
        vcpu.threadID.store(HostThread.currentID, ordering: .releasing)
        // A vCPU that is to be held before the run is held here, because it has no access to complete.
        _ = vcpu.hold(parking: parking)
        var context = ExitContext(vcpu: vcpu, view: view, start: run.withLock { $0.begin() })
        running: while true {
            switch parking.enter(vcpu) {
            case .stop: break running
            case .wait:
                state.withLock { _ in }
                continue
            case .enter: break
            }
            let exit = vcpu.cpu.runUntilExit()
            parking.leave(vcpu)
            switch exit {
            case .port, .memory: (context.lastAccess, context.hasRetried) = (exit, false)
            case .internalError(Exit.emulationFailure): context.unemulated = vcpu.cpu.unemulatedInstruction()
            default: break
            }
            handle(exit, &context)
            if case .interrupted = exit { attend(vcpu) }
        }
        vcpu.control.update { control in
            control.threadState = .ended
            control.lastAccess = context.lastAccess
            control.unemulated = context.unemulated
        }
    }

    /// Handles the call of another thread, which made a vCPU come back from KVM_RUN: holds the vCPU if it is to be held.
    private func attend(_ vcpu: VCPU) {
        // The flag is cleared before the request is read, so that a later call is not lost.
        vcpu.cpu.setImmediateExit(false)
        if vcpu.hasRequest.load(ordering: .sequentiallyConsistent) {
            _ = vcpu.hold(parking: parking)
        }
    }

    /// Stops a vCPU for a debugger, tells the debugger, and waits until the vCPU may go on.
    func stop(for stop: VCPUStop, _ context: inout ExitContext) {
        context.vcpu.stop(for: stop)
        debugger.withLock { $0 }?.call()
        let hasNewRegisters = context.vcpu.hold(parking: parking)
        if case .fault(let outcome) = stop, !hasNewRegisters { end(outcome, by: context.vcpu) }
    }
}

extension GuestMachine {
    /// Ends the run with an outcome that follows from an exit. With a debugger, a vCPU that cannot go on stops first.
    func handle(_ outcome: Outcome, _ context: inout ExitContext) {
        var outcome = outcome
        if outcome == .kvmFailure(.badAddress), !context.hasRetried, endLostFunctions() {
            context.hasRetried = true
            return
        }
        if context.unemulated != nil {
            let address = context.vcpu.instructionAddress
            if let address, context.vcpu.isBreakpoint(at: address) {
                context.unemulated = nil
                stop(for: .breakpoint, &context)
                return
            }
            if let address, !hasMemory(atLinear: address, on: context.vcpu) {
                context.unemulated = nil
                outcome = .internalError("the guest jumped to \(GuestAddress(address)), where the guest has no memory")
            }
        }
        if outcome.isFault, debugger.withLock({ $0 != nil }) {
            stop(for: .fault(outcome), &context)
        } else {
            end(outcome, by: context.vcpu)
        }
    }

    private func hasMemory(atLinear address: UInt64, on vcpu: VCPU) -> Bool {
        vcpu.cpu.physicalAddress(ofLinear: address).map { mapping(at: GuestAddress($0)) != nil } ?? false
    }

    /// Handles a debug exit: stops the vCPU for the debugger, unless the debugger did not ask for this exit. A breakpoint
    /// instruction of the guest's own raises #BP in the guest.
    func handle(_ exit: DebugExit, _ context: inout ExitContext) {
        let vcpu = context.vcpu
        let control = vcpu.control.withLock { $0 }
        let address = vcpu.instructionAddress
        do {
            if exit.isStep, !control.isStepWanted, exit.debugRegister == nil {
                // The vCPU is on its way to a breakpoint, or it has made a step that nobody waits for any more.
                if address.map(control.stepsUntil.contains) == true { return stop(for: .breakpoint, &context) }
                return control.stepsUntil.isEmpty ? try vcpu.cpu.setGuestDebug(control.debugSettings) : ()
            }
            if exit.isBreakpointInstruction, address.map(control.breakpointInstructions.contains) != true {
                return try vcpu.cpu.raiseBreakpointException(control.debugSettings)
            }
            if control.isStepWanted {
                let present = vcpu.control.withLock { control in
                    control.isStepWanted = false
                    return control.debugSettings
                }
                try vcpu.cpu.setGuestDebug(present)
            }
        } catch {
            return end(.internalError("\(error)"), by: vcpu)
        }
        stop(for: VCPUStop(exit, control.debug), &context)
    }
}

extension VCPU {
    /// The linear address of the next instruction, or nil if KVM does not tell. The vCPU must be outside KVM_RUN.
    fileprivate var instructionAddress: UInt64? {
        guard let registers = try? cpu.generalRegisters(), let system = try? cpu.systemRegisters() else { return nil }
        return system.linearAddress(ofInstruction: registers.rip)
    }

    /// Returns whether a debugger has put a breakpoint instruction at an address.
    fileprivate func isBreakpoint(at address: UInt64) -> Bool {
        control.withLock { $0.breakpointInstructions.contains(address) }
    }
}
