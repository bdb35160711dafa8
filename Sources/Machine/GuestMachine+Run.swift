internal import Devices
internal import Host
internal import KVM
internal import Memslots
internal import Synchronization

extension GuestMachine {
    /// Runs the guest until it ends, the time is over, or a signal ends it; called once.
    ///
    /// `input` is a descriptor from which the guest's serial port is fed, once the guest looks for input.
    public func run(timeout: Duration? = nil, input: Int32? = nil) throws(MachineError) -> RunReport {
        if input == nil {
            state.withLock { $0.input.end() }
        }
        let threads = try startThreads()
        let start = SuspendingClock.now
        waitForEnd(until: timeout.map { start + $0 }, input: input)
        end(threads)
        let end = SuspendingClock.now
        // From here on a signal ends the process: what is left to be written may wait for a reader that is gone.
        events.releaseSignals()
        let (trace, lines) = state.withLock { ($0.tracer, $0.tracer?.take() ?? []) }
        if let trace {
            FileBytes.write(lines, to: trace.descriptor)
        }
        return state.withLock { state in
            let table = state.memory.space.table
            return RunReport(
                outcome: state.outcome ?? .halted, exits: state.exits,
                unclaimedAccesses: state.ports.unclaimedReads &+ state.ports.unclaimedWrites
                    &+ state.deviceMemory.unclaimedReads &+ state.deviceMemory.unclaimedWrites,
                slotCount: table.count, slotCapacity: table.capacity, slotLimit: table.limit,
                phases: state.phases, firstRun: state.firstRun, duration: end - state.firstRun, vcpus: state.vcpus)
        }
    }

    private func startThreads() throws(MachineError) -> [HostThread] {
        var threads: [HostThread] = []
        do {
            try HostThread.allowKicks()
            for vcpu in vcpus {
                threads.append(try HostThread(name: "vcpu\(vcpu.cpu.id)") { self.runVCPU(vcpu) })
            }
        } catch {
            end(threads)
            throw .host(error)
        }
        return threads
    }

    /// Calls all vCPUs out for good and waits for their threads.
    private func end(_ threads: [HostThread]) {
        parking.stop(vcpus)
        for (thread, vcpu) in zip(threads, vcpus) {
            // A kick that comes just before a thread begins to wait, to write to a full pipe say, is lost.
            while !thread.join(within: .milliseconds(20)) {
                vcpu.interrupt()
            }
        }
    }

    /// The main thread's part: time, signals, and input for the guest.
    private func waitForEnd(until deadline: SuspendingClock.Instant?, input: Int32?) {
        while true {
            let (hasEnded, wantsInput) = state.withLock { state in
                state.input.isWatched = input != nil && state.wantsInput
                return (state.outcome != nil, state.input.isWatched)
            }
            if hasEnded { return }
            do throws(HostError) {
                switch try events.wait(input: wantsInput ? input : nil, until: deadline) {
                case .signal(let signal): end(.interrupted(signal))
                case .deadline: end(.timeout)
                case .posted: break
                case .input:
                    guard let input, let bytes = FileBytes.read(upTo: 256, from: input) else { continue }
                    state.withLock { state in
                        state.input.append(bytes)
                        state.receiveInput()
                    }
                }
            } catch {
                end(.internalError("\(error)"))
            }
        }
    }

    private func end(_ outcome: Outcome) {
        state.withLock { $0.end(outcome) }
    }

    /// Ends the run from another thread, as the end of its time would.
    public func stop() {
        end(.timeout)
        events.post()
    }

    // MARK: vCPU threads

    /// A vCPU's thread: run, handle, run again.
    private func runVCPU(_ vcpu: VCPU) {
        vcpu.threadID.store(HostThread.currentID, ordering: .releasing)
        if vcpu === vcpus.first {
            state.withLock { $0.firstRun = SuspendingClock.now }
        }
        var output: [UInt8] = []
        var lastAccess: Exit?
        var unemulated: [UInt8]?
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
            case .port, .memory: lastAccess = exit
            case .internalError(Exit.emulationFailure): unemulated = vcpu.cpu.unemulatedInstruction()
            default: break
            }
            if !handle(exit, of: vcpu, output: &output) { break }
        }
        state.withLock { state in
            guard state.outcome?.isOrderly == false else { return }
            let last = lastAccess.map { "\($0)" }
            state.vcpus.append(contentsOf: state.memory.describe(vcpu.cpu, unemulated: unemulated, lastAccess: last))
        }
    }

    /// Handles an exit under the lock, prints outside it; whether the vCPU goes on.
    private func handle(_ exit: Exit, of vcpu: VCPU, output: inout [UInt8]) -> Bool {
        let (hasEnded, needsInput, trace, lines) = state.withLock { state in
            state.handle(exit, of: vcpu.cpu, output: &output)
            return (
                state.outcome != nil, !state.input.isWatched && state.wantsInput, state.tracer?.descriptor,
                state.tracer?.takeIfEnough() ?? []
            )
        }
        if let trace, !lines.isEmpty {
            FileBytes.write(lines, to: trace) { parking.hasStopped }
        }
        if !output.isEmpty {
            consoleOutput(output) { parking.hasStopped }
            output.removeAll(keepingCapacity: true)
        }
        if hasEnded || needsInput {
            events.post()
        }
        return !hasEnded
    }
}

extension GuestMemory {
    /// The state of a vCPU and the bytes at its instruction pointer; nothing where KVM does not tell.
    fileprivate func describe(
        _ cpu: borrowing VirtualCPU, unemulated: [UInt8]?, lastAccess: String?
    ) -> [VCPUState] {
        guard let registers = try? cpu.generalRegisters(), let system = try? cpu.systemRegisters() else { return [] }
        let linear = system.cs.is64Bit ? registers.rip : system.cs.base &+ registers.rip
        let physical = cpu.physicalAddress(ofLinear: linear).map { GuestAddress($0) }
        // As many bytes as are mapped behind it, at most 15: the longest instruction.
        let bytes = physical.flatMap { address in
            stride(from: 15, to: 0, by: -1).lazy.compactMap { read(count: $0, at: address) }.first
        }
        return [
            VCPUState(
                id: cpu.id, registers: registers, system: system, instruction: bytes ?? [], unemulated: unemulated,
                lastAccess: lastAccess)
        ]
    }
}
