internal import Board
internal import Devices
internal import Host
internal import KVM
internal import Memslots
internal import PCI
internal import Synchronization

/// The state that a vCPU's thread needs for its exits. No other thread uses it.
struct ExitContext {
    let vcpu: VCPU
    var view: RoutingView
    /// The time at which the first vCPU first entered the guest.
    let start: SuspendingClock.Instant
    /// Whether this vCPU has printed something that is still to be written.
    var hasPrinted = false
    /// The last exit for an access to a port or to memory.
    var lastAccess: Exit?
    /// Whether the vCPU has entered the guest again after a failure, and has made no access since.
    var hasRetried = false
    /// The instruction at which KVM's emulator stopped. It is empty if KVM does not tell.
    var unemulated: [UInt8]?

    init(vcpu: VCPU, view: RoutingView, start: SuspendingClock.Instant) {
        self.vcpu = vcpu
        self.view = RoutingView(ports: view.ports, memory: view.memory, ecam: view.ecam, buses: view.buses)
        self.start = start
    }
}

extension GuestMachine {
    /// Handles an exit: passes an access on, or ends the run. Then records the line of the trace, and writes what the guest has printed.
    func handle(_ exit: Exit, _ context: inout ExitContext) {
        context.vcpu.exits.count(exit)
        switch ExitAction(for: exit) {
        case .accessPort(let access, let width):
            for unit in 0..<access.count { accessPort(access, width, unit: unit, &context) }
        case .accessMemory(let access): accessMemory(access, &context)
        case .resume: break
        case .debug(let exit): handle(exit, &context)
        case .end(let outcome): handle(outcome, &context)
        }
        if let tracer {
            trace(tracer.text(of: exit, context.vcpu.cpu), context)
        }
        if context.hasPrinted {
            context.hasPrinted = false
            console.drain { parking.hasStopped }
        }
    }

    /// Records a line of the trace, with the vCPU's instruction pointer.
    func trace(_ text: @autoclosure () -> String, _ context: ExitContext) {
        guard let tracer else { return }
        let place = (try? context.vcpu.cpu.generalRegisters()).map { ", rip 0x" + String($0.rip, radix: 16) } ?? ""
        tracer.record(text() + place, vcpu: context.vcpu.cpu.id, since: context.start) { parking.hasStopped }
    }

    private func accessPort(_ access: PortAccess, _ width: AccessWidth, unit: UInt32, _ context: inout ExitContext) {
        let port = UInt64(access.port)
        let written = access.isOutput ? UInt64(context.vcpu.cpu.portUnit(at: unit)) : nil
        let read = accessPort(port, width, written, &context)
        if !access.isOutput {
            context.vcpu.cpu.setPortUnit(UInt32(truncatingIfNeeded: read), at: unit)
        }
    }

    private func accessPort(
        _ port: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64 {
        accessOneDevice(port, width, written, &context) ?? accessParts(port, width, written, &context)
            ?? noteUnclaimed(port, width, written, "port", context)
    }

    /// Makes an access in parts, because no single device takes it whole. A part is a word if the device at its first port
    /// takes a word, otherwise a byte. Returns nil if there is no device at any of the ports.
    private func accessParts(
        _ first: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64? {
        // CONFIG_ADDRESS is one register, so an access to the whole of it has no parts. On a machine without PCI, the devices at
        // these ports, such as the reset control register, do not get such an access either.
        guard width != .byte, first != BoardPorts.configuration.lowerBound || width != .doubleword else { return nil }
        var value = width.allOnes
        var unclaimed: UInt64 = 0
        var lane: UInt64 = 0
        while lane < width.rawValue {
            let (port, left, rest) = (first + lane, UInt64(width.rawValue) - lane, written.map { $0 >> (8 * lane) })
            var part = AccessWidth.word
            var read = left >= 2 && port < UInt16.max ? accessOneDevice(port, part, rest.map(part.mask), &context) : nil
            if read == nil {
                part = .byte
                read = port <= UInt16.max ? accessOneDevice(port, part, rest.map(part.mask), &context) : nil
            }
            if let read {
                value = value & ~(part.allOnes << (8 * lane)) | read << (8 * lane)
            } else {
                unclaimed |= 1 << lane
            }
            lane += UInt64(part.rawValue)
        }
        guard unclaimed.nonzeroBitCount < width.rawValue else { return nil }
        for lane in 0..<UInt64(width.rawValue) where unclaimed >> lane & 1 != 0 {
            _ = noteUnclaimed(first + lane, .byte, written.map { $0 >> (8 * lane) }, "port", context)
        }
        return value
    }

    /// Passes an access on to the device or function that has all its ports, or returns nil if there is none.
    private func accessOneDevice(
        _ port: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64? {
        if port < BoardPorts.firstBARPort, let hit = context.view.ports.bus.find(at: port, width: width) {
            return access(context.view.ports.cells[hit.device], at: hit.offset, width, written, &context)
        }
        if context.view.ecam != nil {
            if BoardPorts.configuration.contains(port) {
                let offset = port - BoardPorts.configuration.lowerBound
                return accessConfiguration(byPort: offset, width, written, &context)
            }
            refreshView(&context)
            if let place = context.view.barPort(at: port, width: width) {
                return access(place, width, written, context)
            }
        }
        guard port >= BoardPorts.firstBARPort, let hit = context.view.ports.bus.find(at: port, width: width) else {
            return nil
        }
        return access(context.view.ports.cells[hit.device], at: hit.offset, width, written, &context)
    }

    private func accessMemory(_ access: MemoryAccess, _ context: inout ExitContext) {
        // KVM cuts accesses at page boundaries. A part with an odd size is accessed byte by byte.
        let width = AccessWidth(rawValue: Int(access.size)) ?? .byte
        var value: UInt64 = 0
        for lane in stride(from: 0, to: UInt64(min(access.size, 8)), by: width.rawValue) {
            let written = access.isWrite ? width.mask(access.value >> (8 * lane)) : nil
            value |= accessMemory(access.address &+ lane, width, written, &context) << (8 * lane)
        }
        if !access.isWrite {
            context.vcpu.cpu.setMemoryValue(value)
        }
    }

    private func accessMemory(
        _ address: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64 {
        if let ecam = context.view.ecam {
            if ecam.contains(GuestAddress(address)) {
                let target = ConfigTarget(ecamOffset: address - ecam.first.rawValue, buses: context.view.buses)
                return accessConfiguration(target, width, written, &context)
            }
            refreshView(&context)
            if let place = context.view.trappedPlace(at: address, width: width) {
                return access(place, width, written, context)
            }
        }
        if let hit = context.view.memory.bus.find(at: address, width: width) {
            return access(context.view.memory.cells[hit.device], at: hit.offset, width, written, &context)
        }
        // KVM may treat memory that is gone from its file as if nothing were mapped there.
        if layout.configuration.sharesMemory, mapping(at: GuestAddress(address)) != nil { endLostFunctions() }
        return noteUnclaimed(address, width, written, "memory", context)
    }

    /// Copies the present routing into the vCPU's view if the view is old.
    private func refreshView(_ context: inout ExitContext) {
        guard context.view.number != routing.load(ordering: .acquiring) else { return }
        state.withLock { context.view.update(from: $0) }
    }

    /// Counts an access that no device and no function has answered. Returns all ones.
    private func noteUnclaimed(
        _ address: UInt64, _ width: AccessWidth, _ written: UInt64?, _ kind: String, _ context: ExitContext
    ) -> UInt64 {
        context.vcpu.exits.countUnclaimed()
        lint?.note(context.vcpu, isCancelled: { parking.hasStopped }) {
            $0.noteUnclaimed(at: address, isPort: kind == "port")
        }
        if let tracer {
            let access = UnclaimedAccess(address: address, width: width, isWrite: written != nil)
            if let text = tracer.text(of: access, kind, vcpu: context.vcpu.cpu.id) { trace(text, context) }
        }
        return width.allOnes
    }

    // MARK: Devices

    /// Passes an access on to a device of the board, under the device's lock. Bytes that the device prints, and changes of its
    /// interrupt line, are passed on under the lock too, so that they keep the order of the accesses.
    private func access(
        _ cell: DeviceCell, at offset: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64 {
        context.vcpu.isInDevice.store(true, ordering: .relaxed)
        defer { context.vcpu.isInDevice.store(false, ordering: .relaxed) }
        let reply = cell.device.withLock { device in
            let reply =
                written.map { DeviceReply(0, effects: device.write(width.mask($0), at: offset, width: width)) }
                ?? device.read(at: offset, width: width)
            applyInOrder(reply.effects)
            return reply
        }
        if reply.effects != .none { apply(reply.effects, &context) }
        return width.mask(reply.value)
    }

    /// Carries out the effects that must keep the order of the accesses. The caller holds the device's lock.
    private func applyInOrder(_ effects: DeviceEffects) {
        if let byte = effects.output, console.append(byte) { end(.panicked(console.panic ?? "")) }
        // A wish for input that is noted too late would ask for more input while the last input is still in the device.
        if effects.wantsInput, !wantsInput.exchange(true, ordering: .acquiringAndReleasing) { events.post() }
        if let line = effects.line, layout.configuration.interruptController == .kernel {
            do {
                if line.fallsFirst { try owned.vm.setInterruptLine(UInt32(line.irq), isRaised: false) }
                try owned.vm.setInterruptLine(UInt32(line.irq), isRaised: line.isRaised)
            } catch {
                end(.internalError("\(error)"))
            }
        }
    }

    /// Carries out the effects that need not keep the order of the accesses.
    private func apply(_ effects: DeviceEffects, _ context: inout ExitContext) {
        if effects.output != nil { context.hasPrinted = true }
        if let status = effects.exitStatus { end(.exited(status), by: context.vcpu) }
        // A kernel may reset the machine some time after its panic. The outcome is the panic then.
        if effects.resets { end(console.panic.map { .panicked($0) } ?? .reset, by: context.vcpu) }
        if effects.powersOff { end(.poweredOff, by: context.vcpu) }
        if let phase = effects.phase { mark(phase, context) }
    }

    /// Records the beginning of a phase. Each phase is recorded once, because a guest may write to the port as often as it likes.
    private func mark(_ phase: UInt8, _ context: ExitContext) {
        let mark = PhaseMark(phase: phase, edits: edits, time: SuspendingClock.now - context.start)
        let isFirst = run.withLock { run in
            guard !run.phases.contains(where: { $0.phase == phase }) else { return false }
            run.phases.append(mark)
            return true
        }
        if isFirst { note(.phase(mark)) }
    }

    /// Sends bytes to the guest's console, which is its serial port. The bytes wait until the guest looks for input.
    public func send(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        input.withLock { $0.bytes += bytes }
        events.post()
    }

    /// Ends the input for the guest's console. The guest gets EOT (0x04).
    public func endInput() {
        input.withLock { $0.hasEnded = true }
        events.post()
    }

    /// Gives the guest bytes that were sent to it, if it looks for input.
    func receiveSent() {
        guard wantsInput.load(ordering: .acquiring), let bytes = input.withLock({ $0.take() }) else { return }
        receive(bytes)
    }

    /// Gives the guest's serial port what the user has typed, or no bytes at the end of the input.
    func receive(_ input: [UInt8]) {
        serial.device.withLock { device in
            wantsInput.store(false, ordering: .releasing)
            applyInOrder(device.receive(input))
        }
    }
}
