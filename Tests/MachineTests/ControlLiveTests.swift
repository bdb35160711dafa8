import Dispatch
import Host
import Images
import KVM
import LiveSupport
import Memslots
import Testing

@testable import Machine

@Suite("Holding and stepping vCPUs", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ControlLiveTests {
    private static let patience = Duration.seconds(20)
    private static let start = MachineConfiguration.defaultLoadAddress.rawValue

    private func machine(_ code: [UInt8], irqchip: InterruptController = .none) throws -> GuestMachine {
        let configuration = MachineConfiguration(mode: .protected, interruptController: irqchip)
        return try TinyGuest(code: code, configuration: configuration).machine()
    }

    @Test("a vCPU that is paused before the run stands at its first instruction, and steps from there")
    func steps() throws {
        // mov al, 1; mov al, 2; in al, 0x70; out 0xf4, al
        let machine = try machine([0xb0, 1, 0xb0, 2, 0xe4, 0x70, 0xe6, 0xf4])
        machine.pause()
        let running = try machine.start()
        #expect(machine.pause(patience: Self.patience))
        for (rip, al) in [(Self.start, 0), (Self.start + 2, 1), (Self.start + 4, 2), (Self.start + 6, 0xff)] {
            let registers = try machine.registers(of: 0)
            #expect(registers.general.rip == rip && registers.general.rax & 0xff == UInt64(al))
            try machine.step(vcpu: 0)
            if al != 0xff { #expect(try machine.waitForStop(of: 0, within: Self.patience) == .step) }
        }
        machine.resume()
        #expect(try running.report().outcome == .exited(0xff))
    }

    @Test("a vCPU that is held before the run is held throughout its thread's beginning")
    func heldFromTheBeginning() throws {
        for _ in 0..<20 {
            let machine = try machine(TinyGuest.spin)
            machine.pause()
            let registers = try machine.registers(of: 0)
            let running = try machine.start()
            for _ in 0..<200 { try machine.setRegisters(registers, of: 0) }
            machine.stop()
            #expect(try running.report().outcome == .stopped)
        }
    }

    @Test("registers that are written while a vCPU is held are those it goes on with")
    func registers() throws {
        let machine = try machine(TinyGuest.spin + TinyGuest.exit(7))
        var registers = try machine.registers(of: 0)
        let running = try machine.start()
        while machine.vcpus[0].control.withLock({ $0.threadState == .notStarted }) {
            HostThread.sleep(for: .milliseconds(1))
        }
        #expect(throws: MachineError.self) { try machine.registers(of: 0) }
        #expect(throws: MachineError.self) { try machine.setRegisters(registers, of: 0) }
        #expect(throws: MachineError.self) { try machine.setStops(at: []) }
        #expect(throws: MachineError.self) { try machine.step(vcpu: 0) }
        #expect(machine.pause(patience: Self.patience))
        registers = try machine.registers(of: 0)
        #expect(registers.general.rip == Self.start)
        registers.general.rip += 2
        registers.floatingPoint.xmm[3] = 0x1234
        try machine.setRegisters(registers, of: 0)
        #expect(try machine.registers(of: 0).floatingPoint.xmm[3] == 0x1234)
        machine.resume()
        #expect(try running.report().outcome == .exited(7))
        #expect(throws: MachineError.self) { try machine.setRegisters(registers, of: 0) }
        #expect(try machine.registers(of: 0).general.rax & 0xff == 7)
        #expect(throws: MachineError.self) { try machine.registers(of: 1) }
    }

    @Test(
        "debug registers, or steps, stop a vCPU in front of an instruction, as often as it comes by",
        arguments: [true, false])
    func breakpoints(steps: Bool) throws {
        // In QEMU's processor debug registers do nothing for guests of its guests.
        if !steps, try !DebugAbilities.probe().breakpoints { return }
        func set(on machine: GuestMachine) throws {
            let watch = GuestDebug.Watch(address: Self.start + 5)
            try machine.setStops(at: steps ? [] : [watch], stepsUntil: steps ? [watch.address] : [])
        }
        // mov ecx, 3; again: dec ecx; jnz again; out 0xf4, al
        let machine = try machine([0xb9, 3, 0, 0, 0, 0x49, 0x75, 0xfd, 0xe6, 0xf4])
        try set(on: machine)
        let running = try machine.start()
        for count in [UInt64(3), 2, 1] {
            #expect(try machine.waitForStop(of: 0, within: Self.patience) == .breakpoint)
            let registers = try machine.registers(of: 0)
            #expect(registers.general.rip == Self.start + 5 && registers.general.rcx == count)
            try machine.setStops(at: [])
            try machine.step(vcpu: 0)
            #expect(try machine.waitForStop(of: 0, within: Self.patience) == .step)
            try set(on: machine)
            machine.resume()
        }
        #expect(try running.report().outcome == .exited(0))
    }

    @Test("a breakpoint instruction that a debugger has put there stops the vCPU, which then goes on with the old byte")
    func breakpointInstruction() throws {
        // In QEMU's processor KVM-AMD does not hear of breakpoint instructions.
        guard try DebugAbilities.probe().breakpoints else { return }
        let machine = try machine([0xb0, 5, 0x90, 0xe6, 0xf4])
        let place = Self.start + 2
        #expect(try machine.write([0xcc], atLinear: place, on: 0))
        try machine.setStops(at: [], breakpointInstructions: [place])
        let running = try machine.start()
        #expect(try machine.waitForStop(of: 0, within: Self.patience) == .breakpoint)
        #expect(try machine.registers(of: 0).general.rip == place)
        #expect(try machine.write([0x90], atLinear: place, on: 0))
        try machine.setStops(at: [])
        machine.resume()
        #expect(try running.report().outcome == .exited(5))
    }

    @Test(
        "with a debugger a fault stops the vCPU, and ends the run unless its registers are written",
        arguments: [true, false])
    func faults(isMended: Bool) throws {
        // jmp to where nothing is; behind it the exit
        let machine = try machine([0xe9, 0, 0, 0, 0x70] + TinyGuest.exit(3))
        let stops = DispatchSemaphore(value: 0)
        machine.onStop { stops.signal() }
        let running = try machine.start()
        #expect(stops.wait(timeout: .now() + 20) == .success)
        guard case .fault(let outcome)? = try machine.stop(of: 0) else {
            Issue.record("no fault")
            return
        }
        #expect("\(outcome)".contains("where the guest has no memory"))
        if isMended {
            var registers = try machine.registers(of: 0)
            registers.general.rip = Self.start + 5
            try machine.setRegisters(registers, of: 0)
        }
        machine.resume()
        #expect(try running.report().outcome == (isMended ? .exited(3) : outcome))
    }

    @Test("a handler of stops can be called after any number of stops")
    func handler() throws {
        let machine = try machine(TinyGuest.spin)
        let calls = DispatchSemaphore(value: 0)
        machine.onStop { calls.signal() }
        for _ in 0..<500_000 { machine.debugger.withLock { _ in } }
        machine.debugger.withLock { $0 }?.call()
        #expect(calls.wait(timeout: .now()) == .success)
    }

    @Test("a vCPU that a device keeps can be read and not written, and the run ends all the same")
    func keptVCPU() throws {
        let gate = Gate()
        defer { gate.open() }
        var guest = TinyGuest(code: [0xb0, 9, 0xe6, 0x60], configuration: MachineConfiguration(mode: .protected))
        guest.configuration.portDevices = [AttachedDevice(GateDevice(gate: gate), at: 0x60, size: 1)]
        let machine = try guest.machine()
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        #expect(!machine.pause(patience: .milliseconds(50)))
        let registers = try machine.registers(of: 0)
        #expect(registers.general.rax & 0xff == 9)
        #expect(throws: MachineError.self) { try machine.setRegisters(registers, of: 0) }
        machine.stop()
        let report = try running.report()
        #expect(report.leftBehind == [0])
        #expect(try #require(report.vcpus.first).isKept)
    }

    @Test("a vCPU that is paused in a device is held once its access is complete")
    func completedAccess() throws {
        let gate = Gate()
        defer { gate.open() }
        // mov al, 9; in al, 0x60; out 0xf4, al
        var guest = TinyGuest(
            code: [0xb0, 9, 0xe4, 0x60, 0xe6, 0xf4], configuration: MachineConfiguration(mode: .protected))
        guest.configuration.portDevices = [AttachedDevice(GateDevice(gate: gate), at: 0x60, size: 1)]
        let machine = try guest.machine()
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        #expect(!machine.pause(patience: .milliseconds(20)))
        #expect(try machine.registers(of: 0).general.rip == Self.start + 2)
        gate.open()
        #expect(machine.pause(patience: Self.patience))
        let registers = try machine.registers(of: 0).general
        #expect(registers.rip == Self.start + 4 && registers.rax & 0xff == 0x0d)
        machine.resume()
        #expect(try running.report().outcome == .exited(0x0d))
    }

    @Test("a step that a pause or a resume comes before is none, and nobody is held for it", arguments: [true, false])
    func lostStep(isPaused: Bool) throws {
        let gate = Gate()
        defer { gate.open() }
        var guest = TinyGuest(
            code: [0xb0, 9, 0xe6, 0x60] + TinyGuest.exit(6), configuration: MachineConfiguration(mode: .protected))
        guest.configuration.portDevices = [AttachedDevice(GateDevice(gate: gate), at: 0x60, size: 1)]
        let machine = try guest.machine()
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        #expect(!machine.pause(patience: .milliseconds(20)))
        try machine.step(vcpu: 0)
        if isPaused { #expect(!machine.pause(patience: .milliseconds(20))) }
        machine.resume()
        gate.open()
        #expect(try running.report().outcome == .exited(6))
    }

    @Test("who waits for a vCPU that somebody else lets go does not wait for long", .timeLimit(.minutes(1)))
    func letGoMeanwhile() throws {
        let gate = Gate()
        defer { gate.open() }
        var guest = TinyGuest(
            code: [0xe6, 0x60] + TinyGuest.spin, configuration: MachineConfiguration(mode: .protected))
        guest.configuration.portDevices = [AttachedDevice(GateDevice(gate: gate), at: 0x60, size: 1)]
        let machine = try guest.machine()
        let running = try machine.start()
        #expect(gate.waitForVisitor())
        let other = try HostThread(name: "other") {
            HostThread.sleep(for: .milliseconds(200))
            machine.resume()
        }
        #expect(!machine.pause(patience: .seconds(3600)))
        other.join()
        machine.stop()
        #expect(try running.report().outcome == .stopped)
    }

    @Test("a run that is stopped while its vCPUs are held ends")
    func stopWhileHeld() throws {
        let machine = try machine(TinyGuest.spin)
        let running = try machine.start()
        #expect(machine.pause(patience: Self.patience))
        machine.stop()
        let report = try running.report()
        #expect(report.outcome == .stopped && report.leftBehind.isEmpty)
    }

    // MARK: Halted for good

    @Test("a vCPU that has halted has met no exception, whatever lies behind HLT")
    func noException() throws {
        var guest = TinyGuest(code: [0xfa, 0xf4, 0x0f, 0x0b])
        guest.configuration.interruptController = .kernel
        let (report, _) = try guest.run(timeout: .seconds(30))
        #expect(report.outcome == .haltedForGood && report.vcpus.first?.exception == nil)
        let fault = try TinyGuest(code: [0x0f, 0x0b], configuration: MachineConfiguration(mode: .protected)).run()
            .report
        let state = try #require(fault.vcpus.first)
        #expect(state.isReset || state.exception?.contains("#UD") == true)
        #expect(state.isReset || state.text().contains("exception: #UD"))
    }

    @Test(
        "cli; hlt ends the run with an outcome of its own, with one vCPU and with one that was never started",
        arguments: [1, 2])
    func haltedForGood(vcpus: Int) throws {
        var guest = TinyGuest(code: [0xfa, 0xf4])
        guest.configuration.vcpus = vcpus
        guest.configuration.interruptController = .kernel
        guest.configuration.hasTimer = vcpus == 1
        let (report, _) = try guest.run(timeout: .seconds(30))
        #expect(report.outcome == .haltedForGood)
        #expect(report.vcpus.count == vcpus)
        #expect(report.vcpus[0].text().contains("executed HLT, with interrupts off"))
        if vcpus == 2 { #expect(report.vcpus[1].text() == "vCPU 1 was never started") }
    }

    @Test("a vCPU that has halted with interrupts on, or that an NMI can reach, has not halted for good")
    func notForGood() throws {
        // sti; hlt
        var waits = TinyGuest(code: [0xfb, 0xf4])
        waits.configuration.interruptController = .kernel
        #expect(try waits.run(timeout: .seconds(1)).report.outcome == .timeout)
        // The first redirection entry: unmasked, NMI.
        var nmi = TinyGuest(
            code: GuestCode { code in
                code.store(0x10, at: 0xfec0_0000)
                code.store(0x400, at: 0xfec0_0010)
            }.bytes + [0xfa, 0xf4], configuration: MachineConfiguration(mode: .protected, interruptController: .kernel))
        #expect(try nmi.run(timeout: .seconds(1)).report.outcome == .timeout)
        nmi.code =
            GuestCode { code in
                code.store(0x10, at: 0xfec0_0000)
                code.store(0x000, at: 0xfec0_0010)
            }.bytes + [0xfa, 0xf4]
        #expect(try nmi.run(timeout: .seconds(30)).report.outcome == .haltedForGood)
    }
}
