internal import Board
internal import Devices
internal import Host
internal import KVM
internal import Memslots
internal import PCI

/// All that the machine lock guards: memory, devices, and how the run is going.
struct MachineState: ~Copyable {
    var memory: GuestMemory
    let interruptController: InterruptController
    var ports = Bus(name: "ports")
    var deviceMemory = Bus(name: "memory")
    let serial = Serial16550()
    var pci: PCIDevices?
    /// The writes to functions that KVM takes itself.
    var ioEvents: [FunctionAddress: RegisteredIOEvent] = [:]
    var input = ConsoleInput()
    var tracer: Tracer?

    var exits = ExitCounts()
    var outcome: Outcome?
    var vcpus: [VCPUState] = []
    /// The phases that the guest has begun, with the edits and the time until then.
    var phases: [PhaseMark] = []
    /// When the first vCPU first entered the guest.
    var firstRun = SuspendingClock.now

    init(
        memory: consuming GuestMemory, pci: PCIDevices?, configuration: MachineConfiguration, tracer: Tracer?
    ) throws(MachineError) {
        self.memory = memory
        self.pci = pci
        interruptController = configuration.interruptController
        self.tracer = tracer
        let firmware = FirmwareConfiguration(ramSize: configuration.memory, processors: configuration.vcpus)
        let testPorts = ScratchMemory(size: 4, marksPhases: true)
        let scratch = ScratchMemory(size: 64 << 10)
        do throws(BusError) {
            try ports.attach(serial, at: BoardPorts.serial, size: Serial16550.size)
            try ports.attach(DebugConsole(), at: BoardPorts.debugConsole, size: DebugConsole.size)
            try ports.attach(ExitPort(), at: BoardPorts.exit, size: ExitPort.size)
            try ports.attach(testPorts, at: BoardPorts.testRegisters, size: testPorts.size)
            try ports.attach(FlushPort(), at: BoardPorts.flush, size: FlushPort.size)
            try ports.attach(firmware, at: BoardPorts.firmwareConfiguration, size: FirmwareConfiguration.size)
            try ports.attach(InterruptLinePorts(), at: BoardPorts.interruptLines, size: InterruptLinePorts.size)
            try deviceMemory.attach(scratch, at: AddressMap.scratchMemory, size: scratch.size)
        } catch {
            throw .bus(error)
        }
        if tracer != nil {
            ports.noteUnclaimed()
            deviceMemory.noteUnclaimed()
        }
    }

    /// Ends the run, unless it has been ended already.
    mutating func end(_ outcome: Outcome) {
        if self.outcome == nil {
            self.outcome = outcome
        }
    }
}

// MARK: - Exits

extension MachineState {
    /// Does what an exit asks for. What the guest prints is appended to `output`; an outcome ends the run.
    mutating func handle(_ exit: Exit, of cpu: borrowing VirtualCPU, output: inout [UInt8]) {
        count(exit)
        switch ExitAction(for: exit) {
        case .accessPort(let access, let width):
            for unit in 0..<access.count {
                accessPort(access, width, unit: unit, of: cpu, output: &output)
            }
            receiveInput()
        case .accessMemory(let access):
            accessMemory(access, of: cpu, output: &output)
        case .resume:
            break
        case .end(let outcome):
            end(outcome)
        }
        if tracer != nil {
            let time = SuspendingClock.now - firstRun
            tracer?.record(exit, of: cpu, at: time)
            tracer?.record(unclaimed: ports.takeUnclaimed(), "port", of: cpu.id, at: time)
            tracer?.record(unclaimed: deviceMemory.takeUnclaimed(), "memory", of: cpu.id, at: time)
        }
    }

    private mutating func count(_ exit: Exit) {
        switch exit {
        case .port: exits.pio += 1
        case .memory: exits.mmio += 1
        case .halt: exits.hlt += 1
        case .interruptWindow: exits.irqWindow += 1
        default: exits.other += 1
        }
    }

    private mutating func accessPort(
        _ access: PortAccess, _ width: AccessWidth, unit: UInt32, of cpu: borrowing VirtualCPU, output: inout [UInt8]
    ) {
        let port = UInt64(access.port)
        let value = access.isOutput ? UInt64(cpu.portUnit(at: unit)) : nil
        let read: UInt64
        collectEvents()
        if let effects = pci?.accessPort(port, width: width, writing: value) {
            apply(effects)
            if access.isOutput { updateEvents() }
            read = effects.value
        } else if let value {
            apply(ports.write(value, at: port, width: width), output: &output)
            return
        } else {
            let reply = ports.read(at: port, width: width)
            apply(reply.effects, output: &output)
            read = reply.value
        }
        if !access.isOutput {
            cpu.setPortUnit(UInt32(truncatingIfNeeded: read), at: unit)
        }
    }

    private mutating func accessMemory(
        _ access: MemoryAccess, of cpu: borrowing VirtualCPU, output: inout [UInt8]
    ) {
        // KVM cuts accesses at page boundaries; what is left may have an odd size, and is made byte by byte.
        let width = AccessWidth(rawValue: Int(access.size)) ?? .byte
        var value: UInt64 = 0
        collectEvents()
        for lane in stride(from: 0, to: UInt64(min(access.size, 8)), by: width.rawValue) {
            let address = access.address &+ lane
            let written = access.isWrite ? width.mask(access.value >> (8 * lane)) : nil
            if let effects = pci?.accessMemory(GuestAddress(address), width: width, writing: written) {
                apply(effects)
                if access.isWrite { updateEvents() }
                value |= effects.value << (8 * lane)
            } else if let written {
                apply(deviceMemory.write(written, at: address, width: width), output: &output)
            } else {
                let reply = deviceMemory.read(at: address, width: width)
                value |= reply.value << (8 * lane)
                apply(reply.effects, output: &output)
            }
        }
        if !access.isWrite {
            cpu.setMemoryValue(value)
        }
    }

    private mutating func apply(_ effects: DeviceEffects, output: inout [UInt8]) {
        if let byte = effects.output {
            output.append(byte)
        }
        if let status = effects.exitStatus {
            end(.exited(status))
        }
        // The first time counts: a guest may write to the port as often as it likes.
        if let phase = effects.phase, !phases.contains(where: { $0.phase == phase }) {
            phases.append(
                PhaseMark(phase: phase, edits: memory.space.table.edits, time: SuspendingClock.now - firstRun))
        }
        if let line = effects.line, interruptController == .kernel {
            do {
                try memory.installer.vm.setInterruptLine(UInt32(line.irq), isRaised: line.isRaised)
            } catch {
                end(.internalError("\(error)"))
            }
        }
    }

    /// Sends messages, and lets memory follow what a function decodes. A change that cannot be is undone and ends the run.
    private mutating func apply(_ effects: PCIEffects) {
        do {
            try carryOut(effects)
        } catch {
            end(.internalError("what the guest wrote to a PCI function cannot be: \(error)"))
        }
    }

    /// The same; a change that cannot be is undone and thrown.
    mutating func carryOut(_ effects: PCIEffects) throws(MachineError) {
        if interruptController == .kernel {
            for message in effects.messages {
                try kvm(try memory.installer.vm.signalMSI(address: message.address, data: message.data))
            }
        }
        if let changed = effects.changed, let update = pci?.update(changed) {
            try memory.change(removing: update.removing, adding: update.adding)
        }
    }

    /// Gives the serial port as much of the input as it takes.
    mutating func receiveInput() {
        while input.hasNext, serial.receiveCapacity > 0, let byte = input.next() {
            var output: [UInt8] = []
            apply(serial.receive(byte), output: &output)
        }
    }

    /// Whether the guest would take input that is not there yet.
    var wantsInput: Bool {
        input.isWaiting && serial.hasBeenPolled && serial.receiveCapacity > 0
    }
}

/// What the user has typed and the guest has not yet taken.
struct ConsoleInput {
    private var bytes: [UInt8] = []
    private var taken = 0
    private var hasEnded = false
    /// Whether somebody waits for more.
    var isWatched = false

    /// The end of the input reaches the guest as EOT, as Ctrl-D would on a serial terminal.
    private static let endOfTransmission: UInt8 = 0x04

    /// Whether all is taken and more may come.
    var isWaiting: Bool {
        !hasNext && !hasEnded
    }

    var hasNext: Bool {
        taken < bytes.count
    }

    mutating func next() -> UInt8? {
        guard hasNext else { return nil }
        taken += 1
        return bytes[taken - 1]
    }

    /// Says that there is no input at all: the guest does not even get to know of an end.
    mutating func end() {
        hasEnded = true
    }

    /// Adds what was read; nothing at the end of the input.
    mutating func append(_ read: [UInt8]) {
        hasEnded = read.isEmpty
        bytes = hasEnded ? [Self.endOfTransmission] : read
        taken = 0
    }
}
