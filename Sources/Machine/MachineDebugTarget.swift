internal import Debugging
internal import Host
internal import KVM
internal import Memslots
internal import Synchronization

/// A machine in the form in which a debugger's session uses it, from one thread.
final class MachineDebugTarget: DebugTarget {
    private let machine: GuestMachine
    private let monitor: DebugMonitor
    private let abilities: DebugAbilities
    /// The breakpoint instructions in memory, by linear address. Each has its physical address, which stays the same whatever
    /// the guest maps at the linear one, and the byte that it has replaced.
    private var replaced: [UInt64: (place: GuestAddress, byte: UInt8)] = [:]
    private var plan = StopPlan()

    private static let breakpointInstruction: UInt8 = 0xcc

    init(_ machine: GuestMachine, monitor: DebugMonitor, abilities: DebugAbilities) {
        self.machine = machine
        self.monitor = monitor
        self.abilities = abilities
    }

    var threadCount: Int { machine.vcpuCount }
    var canWatch: Bool { abilities.watchpoints }
    var canBreak: Bool { abilities.breakpoints }

    func summary(of thread: Int) -> String {
        let vcpu = machine.vcpus[thread]
        let activity = vcpu.control.withLock { $0.isReadable ? vcpu.cpu.activity() : nil }
        let text =
            switch activity {
            case .waitsForINIT?, .waitsForSIPI?: "not started"
            case .halted?: "halted"
            case .runnable?, nil: vcpu.isInDevice.load(ordering: .relaxed) ? "kept by a device" : "runnable"
            }
        return "vCPU \(thread), \(text)"
    }

    // MARK: Registers and memory

    func registers(of thread: Int) -> [UInt8]? {
        try? machine.registers(of: thread).debuggerBytes
    }

    func setRegisters(_ bytes: [UInt8], of thread: Int) -> Bool {
        guard var registers = try? machine.registers(of: thread), registers.take(debuggerBytes: bytes) else {
            return false
        }
        return (try? machine.setRegisters(registers, of: thread)) != nil
    }

    func read(count: Int, at address: UInt64, on thread: Int) -> [UInt8] {
        (try? machine.read(count: count, atLinear: address, on: thread)) ?? []
    }

    func write(_ bytes: [UInt8], at address: UInt64, on thread: Int) -> Bool {
        (try? machine.write(bytes, atLinear: address, on: thread)) ?? false
    }

    // MARK: Stopping and going on

    func pause() {
        machine.pause()
        for (place, byte) in replaced.values { _ = machine.write([byte], at: place) }
        replaced = [:]
    }

    func resume(_ actions: [Int: ThreadAction], plan: StopPlan) {
        let held = actions.filter { $1 == .go && !stepOff($0) }
        for address in plan.instructions {
            guard let place = physicalAddress(of: address), let byte = machine.read(count: 1, at: place)?.first,
                machine.write([Self.breakpointInstruction], at: place)
            else { continue }
            replaced[address] = (place, byte)
        }
        if plan != self.plan || !replaced.isEmpty { carryOut(plan) }
        for (thread, action) in actions where held[thread] == nil {
            // A thread with a fault that has not been reported stays stopped, because the run would end before the debugger
            // hears of the fault.
            if case .fault? = try? machine.stop(of: thread), !reported.contains(thread) { continue }
            reported.remove(thread)
            switch action {
            case .step: try? machine.step(vcpu: thread)
            case .go: try? machine.resume(vcpu: thread)
            }
        }
    }

    /// Returns the physical address of a linear one on the first thread that maps it, or nil.
    private func physicalAddress(of address: UInt64) -> GuestAddress? {
        (0..<threadCount).lazy.compactMap { try? self.machine.physicalAddress(ofLinear: address, on: $0) }.first
    }

    /// Lets a thread step off a breakpoint in a code segment that begins at another address than 0. A debugger does not add that
    /// address, so it does not see that the thread is at a breakpoint. From other breakpoints the debugger steps off by itself.
    ///
    /// - Returns: False if the thread has stopped for something else meanwhile.
    private func stepOff(_ thread: Int) -> Bool {
        guard case .breakpoint? = try? machine.stop(of: thread), let registers = try? machine.registers(of: thread),
            !registers.system.is64Bit, registers.system.cs.base != 0
        else { return true }
        carryOut(StopPlan())
        reported.remove(thread)
        try? machine.step(vcpu: thread)
        let stop = try? machine.waitForStop(of: thread, within: .seconds(1))
        _ = try? machine.pause(vcpu: thread)
        return stop == nil || stop == .step
    }

    private func carryOut(_ plan: StopPlan) {
        self.plan = plan
        let watches = plan.registers.map { stop in
            let access: GuestDebug.Watch.Access =
                switch stop.kind {
                case .softwareBreakpoint, .hardwareBreakpoint: .execution
                case .writeWatch: .write
                case .readWatch, .accessWatch: .readOrWrite
                }
            return GuestDebug.Watch(address: stop.address, size: stop.size, access: access)
        }
        try? machine.setStops(
            at: watches, breakpointInstructions: Set(replaced.keys), stepsUntil: Set(plan.stepsUntil))
    }

    func release() {
        pause()
        carryOut(StopPlan())
        machine.onStop(nil)
        machine.resume()
    }

    func kill() {
        machine.stop()
    }

    // MARK: Stops

    /// The threads whose stops have been reported to the debugger.
    private var reported: Set<Int> = []

    /// Returns a thread that has stopped by itself and whose stop has not been reported, or nil. If there is one, stops all threads.
    func nextStop() -> (thread: Int, reason: ThreadStop)? {
        for thread in 0..<threadCount where !reported.contains(thread) {
            guard let stop = try? machine.stop(of: thread) else { continue }
            pause()
            reported.insert(thread)
            return (thread, reason(of: stop))
        }
        return nil
    }

    private func reason(of stop: VCPUStop) -> ThreadStop {
        switch stop {
        case .step: .step
        case .breakpoint: .breakpoint
        case .watchpoint(let watch):
            .watch(
                StopPoint(
                    kind: watch.access == .write ? .writeWatch : .accessWatch, address: watch.address, size: watch.size)
            )
        case .fault(.shutdown): .segmentation
        case .fault: .illegalInstruction
        }
    }

    // MARK: The user's commands

    func answer(to command: String) -> String? { monitor.answer(command) }
    var commands: String { monitor.commands }
}

/// The answers to commands that the user of a debugger gives to the monitor itself.
public struct DebugMonitor: Sendable {
    /// The names of the commands, for people.
    public var commands: String
    /// Returns the answer to a command, or nil if there is no such command.
    public var answer: @Sendable (String) -> String?

    /// Creates a monitor from the names of its commands and their answers.
    public init(commands: String, answer: @escaping @Sendable (String) -> String?) {
        self.commands = commands
        self.answer = answer
    }
}
