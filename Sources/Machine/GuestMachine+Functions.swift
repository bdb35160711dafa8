internal import Board
public import Devices
internal import Host
internal import KVM
public import Layouts
public import Memslots
public import PCI
internal import Synchronization

// MARK: - Accesses of vCPUs

extension GuestMachine {
    /// Handles an access to the port `offset` bytes behind the first port of CONFIG_ADDRESS.
    ///
    /// - Returns: The value that was read, or nil unless the access is a doubleword at CONFIG_ADDRESS, or is naturally aligned and
    ///   in CONFIG_DATA.
    func accessConfiguration(
        byPort offset: UInt64, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64? {
        if offset == 0, width == .doubleword {
            if let written { configAddress.store(UInt32(truncatingIfNeeded: written), ordering: .releasing) }
            return UInt64(configAddress.load(ordering: .acquiring))
        }
        guard ConfigAddress.isData(offset, width) else { return nil }
        let address = ConfigAddress(rawValue: configAddress.load(ordering: .acquiring))
        guard let target = address.target(at: offset, width: width) else { return width.allOnes }
        return accessConfiguration(target, width, written, &context)
    }

    /// Handles an access to a function's configuration space. An absent function reads as all ones and drops writes.
    func accessConfiguration(
        _ target: ConfigTarget, _ width: AccessWidth, _ written: UInt64?, _ context: inout ExitContext
    ) -> UInt64 {
        if !context.view.knowsFunctions(of: routing.load(ordering: .acquiring)) {
            state.withLock { context.view.update(from: $0) }
        }
        guard let cell = context.view.function(at: target.function) else { return width.allOnes }
        context.vcpu.isInDevice.store(true, ordering: .relaxed)
        defer { context.vcpu.isInDevice.store(false, ordering: .relaxed) }
        guard let written else { return readConfiguration(of: cell, at: target.register, width) }
        let before = lint == nil ? nil : cell.withFunction { $0 }
        defer { lintWrite(written, before, cell, at: target.register, width, context) }
        do throws(MachineError) {
            try writeConfiguration(written, of: cell, at: target.register, width)
        } catch {
            refuse(error, cell.address, register: target.register, value: written, context)
        }
        return 0
    }

    /// Handles an access to a trapped piece of a BAR or to an I/O BAR, under the function's lock.
    func access(
        _ place: RoutingView.Place, _ width: AccessWidth, _ written: UInt64?, _ context: ExitContext
    ) -> UInt64 {
        context.vcpu.isInDevice.store(true, ordering: .relaxed)
        defer { context.vcpu.isInDevice.store(false, ordering: .relaxed) }
        defer { lintAccess(place, width, written, context) }
        guard let written else {
            return place.function.withFunction { function in
                if function.readsPendingBits(place.register, at: place.offset, width: width) {
                    try? collectPending(into: &function, of: place.function)
                }
                return function.readTrapped(place.register, at: place.offset, width: width)
            } ?? width.allOnes
        }
        do throws(MachineError) {
            _ = try place.function.withFunction { function throws(MachineError) in
                let outcome = function.writeTrapped(written, place.register, at: place.offset, width: width)
                try carryOut(outcome, &function, place.function)
            }
        } catch {
            refuse(error, place.function.address, register: nil, value: written, context)
        }
        return 0
    }

    private func readConfiguration(of cell: FunctionCell, at register: UInt64, _ width: AccessWidth) -> UInt64 {
        cell.withFunction { function in
            if function.readsPendingBits(at: register) { try? collectPending(into: &function, of: cell) }
            return function.read(at: register, width: width)
        } ?? width.allOnes
    }

    /// Writes a function's configuration space under the function's lock. A change of what the function decodes takes the
    /// machine lock as well.
    ///
    /// - Throws: The reason why such a change is not possible. Everything is then as before.
    private func writeConfiguration(
        _ value: UInt64, of cell: FunctionCell, at register: UInt64, _ width: AccessWidth
    ) throws(MachineError) {
        let changesSlot = try cell.withFunction { function throws(MachineError) in
            switch function.write(value, at: register, width: width) {
            case .done(let outcome):
                try carryOut(outcome, &function, cell)
                return outcome.changesSlot
            case .proposed(let proposal):
                try apply(proposal, of: &function, cell)
                return false
            }
        }
        if changesSlot == true { try settle(cell) }
    }

    /// Changes memory as a proposal asks, and commits the proposal. Before a reset is committed, the function loses its
    /// interrupts and everything that it decodes.
    ///
    /// - Throws: The reason why memory cannot be changed. Function and memory are then as before.
    func apply(
        _ proposal: DecodeProposal, of function: inout PCIFunction, _ cell: FunctionCell
    ) throws(MachineError) {
        let interrupts = proposal.isReset ? cell.interrupts : nil
        try interrupts?.follow(.none)
        function.prepare(proposal)
        do throws(MachineError) {
            try changeState { state throws(MachineError) in try state.follow(proposal, of: cell) }
        } catch {
            function.withdraw(proposal)
            try interrupts?.follow(function.interruptState)
            throw error
        }
        try carryOut(function.commit(proposal), &function, cell)
    }

    /// Carries out what an access to a function has caused: sends messages, sets the interrupt line, and lets KVM take the
    /// events that the function wants it to take. The caller holds the function's lock.
    func carryOut(
        _ outcome: AccessOutcome, _ function: inout PCIFunction, _ cell: FunctionCell
    ) throws(MachineError) {
        if outcome.changesEvents {
            let events = function.events
            try changeState { state throws(MachineError) in try state.setEvents(events, of: cell) }
        }
        if outcome.changesInterrupts { try cell.interrupts?.follow(function.interruptState) }
        guard layout.configuration.interruptController == .kernel else { return }
        if let line = function.lineNumber, function.assertsLine != function.isLineRaised {
            function.isLineRaised.toggle()
            try owned.changeLine(line, isRaised: function.isLineRaised)
        }
        for message in outcome.messages {
            try kvm(try owned.vm.signalMSI(address: message.address, data: message.data))
        }
    }

    /// Counts and reports a refusal. The guest goes on, unless the configuration says otherwise, or KVM could not be taken back
    /// to what it held before.
    private func refuse(
        _ error: MachineError, _ function: FunctionAddress, register: UInt64?, value: UInt64, _ context: ExitContext
    ) {
        let refusal = Refusal(
            function: function, register: register, value: value, rule: error.rule, reason: "\(error)")
        run.withLock { $0.refusals.append(refusal) }
        note(.refused(refusal))
        trace("\(refusal)", context)
        if layout.configuration.onRefusal == .stop || error.hasLeftTraces {
            end(.internalError("\(refusal)"))
        }
    }
}

extension MachineError {
    /// Whether KVM may be in another state than before the change that failed.
    fileprivate var hasLeftTraces: Bool {
        if case .memory(.transaction(let error)) = self { return !error.stuck.isEmpty }
        if case .kvm = self { return true }
        return false
    }
}

// MARK: - Accesses of the host

extension GuestMachine {
    /// Reads a register in configuration space as the guest would. A function behind a bridge is named by the address that
    /// firmware gave it, whatever number its bus has now. An absent function reads as all ones.
    public func readConfiguration(of function: FunctionAddress, at register: UInt64, width: AccessWidth) -> UInt64 {
        guard let cell = state.withLock({ $0.functions[function] }) else { return width.allOnes }
        return readConfiguration(of: cell, at: register, width)
    }

    /// Writes a register in configuration space as the guest would. Memory follows a change of what the function decodes.
    ///
    /// A write to an absent function is dropped.
    ///
    /// - Throws: The reason why memory cannot follow. The register, memory and events are then as before.
    public func writeConfiguration(
        _ value: UInt64, of function: FunctionAddress, at register: UInt64, width: AccessWidth
    ) throws(MachineError) {
        guard let cell = state.withLock({ $0.functions[function] }) else { return }
        try writeConfiguration(value, of: cell, at: register, width)
    }

    /// Resets a function, as its guest can by a function-level reset. Afterwards decode and interrupts are off, and the
    /// addresses of BARs are zero.
    ///
    /// - Throws: The reason why memory cannot follow. The function is then as before.
    public func reset(_ function: FunctionAddress) throws(MachineError) {
        guard let cell = state.withLock({ $0.functions[function] }) else { return }
        _ = try cell.withFunction { function throws(MachineError) in
            try apply(function.proposeReset(), of: &function, cell)
        }
    }

    /// Raises an interrupt vector of a function, by MSI-X if software has enabled that, otherwise by MSI.
    ///
    /// A masked vector pends. If MSI-X and MSI are off and the function has a pin, it asserts its interrupt line until software
    /// takes the interrupt back.
    public func raise(vector: UInt64, of function: FunctionAddress) throws(MachineError) {
        guard let cell = state.withLock({ $0.functions[function] }) else { return }
        _ = try cell.withFunction { function throws(MachineError) in
            let message = function.raise(vector: vector)
            try carryOut(AccessOutcome(messages: message.map { [$0] } ?? []), &function, cell)
        }
    }

    /// The addresses of the PCI functions, in order.
    public var functions: [FunctionAddress] {
        state.withLock { $0.functions.keys.sorted() }
    }

    /// The number of edits of slots until now, by kind.
    public var edits: EditCounts {
        state.withLock { $0.memory.space.table.edits }
    }

    /// A description of the guest's memory as it is now.
    public var memory: MemoryDescription {
        state.withLock { state in
            let space = state.memory.space
            let rows = space.mappings(in: .everything).compactMap { mapping in
                space.table.slotID(at: mapping.range.first).map {
                    MemoryDescription.Row(mapping: mapping, slot: Int($0))
                }
            }
            return MemoryDescription(
                rows: rows, decoded: state.decoded.regions,
                areas: layout.board.areas(hasFunctions: layout.hasFunctions), windows: state.decoded.bridges.windows)
        }
    }
}
