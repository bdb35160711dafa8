public import Devices

/// The things that the machine has to do after a write to a function.
public struct AccessOutcome: Hashable, Sendable {
    /// The messages to send now.
    public var messages: [MSIMessage] = []
    /// Whether `PCIFunction.events`, the writes that KVM is to take itself, may have changed.
    public var changesEvents = false
    /// Whether `PCIFunction.interruptState` may have changed.
    public var changesInterrupts = false
    /// Whether the write has switched the power of a port's slot on or off.
    public var changesSlot = false

    /// Creates an outcome. Without arguments there is nothing to do.
    public init(messages: [MSIMessage] = [], changesEvents: Bool = false, changesInterrupts: Bool = false) {
        self.messages = messages
        self.changesEvents = changesEvents
        self.changesInterrupts = changesInterrupts
    }
}

/// The result of a write to configuration space.
public enum ConfigWrite: Sendable {
    /// The write has been made.
    case done(AccessOutcome)
    /// The write changes what the function decodes, and has not been made yet. Guest memory has to follow first.
    case proposed(DecodeProposal)
}

/// A function as it would be after a write that changes what it decodes.
///
/// Guest memory has to follow the proposal. Then `PCIFunction.commit` makes the change. If memory cannot follow, the function
/// stays as it is.
public struct DecodeProposal: Sendable {
    /// The function as it would be.
    public let function: PCIFunction
    /// Whether the change may affect what is decoded in memory, and not only which ports the function decodes.
    public let affectsMemory: Bool
    /// The register that changes, and its new value. It is nil for a reset, which changes all registers.
    fileprivate let change: (register: UInt64, value: UInt32)?

    /// Whether the function is reset.
    public var isReset: Bool { change == nil }
}

// MARK: - Configuration space

extension PCIFunction {
    /// Reads configuration space as `ConfigSpace.read` does. Asks the model if the place is in a capability of the model's own.
    public mutating func read(at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard hasPower else { return width.allOnes }
        if let half = halfOfMixed(offset, width) {
            let middle = UInt64(half.rawValue)
            return read(at: offset, width: half) | read(at: offset + middle, width: half) << (8 * middle)
        }
        if isOwn(offset, width) { return width.mask(model.readConfiguration(at: offset, width: width)) }
        return config.read(at: offset, width: width)
    }

    /// Writes configuration space. A write that changes what the function decodes is not made, but returned as a proposal.
    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> ConfigWrite {
        guard hasPower else { return .done(AccessOutcome()) }
        if let half = halfOfMixed(offset, width) {
            let middle = UInt64(half.rawValue)
            // Neither half changes what is decoded, because no register of the header is the model's own.
            guard case .done(let low) = write(value, at: offset, width: half),
                case .done(let high) = write(value >> (8 * middle), at: offset + middle, width: half)
            else { return .done(AccessOutcome()) }
            return .done(
                AccessOutcome(
                    messages: low.messages + high.messages, changesEvents: low.changesEvents || high.changesEvents,
                    changesInterrupts: low.changesInterrupts || high.changesInterrupts))
        }
        if isOwn(offset, width) {
            return .done(outcome(of: model.writeConfiguration(width.mask(value), at: offset, width: width)))
        }
        let register = offset & ~3
        if isSlotRegister(register), ConfigSpace.accepts(offset, width) {
            return .done(writeSlot(value, at: offset, width: width))
        }
        if let bits = shape.resetBits[register], ConfigSpace.accepts(offset, width),
            bits & UInt32(truncatingIfNeeded: width.mask(value)) << (8 * UInt32(offset & 3)) != 0
        {
            return .proposed(proposeReset())
        }
        guard let written = config.written(value, at: offset, width: width), hasPowerState(written, register) else {
            return .done(AccessOutcome())
        }
        let changed = written ^ config[register: register]
        if let affectsMemory = changeOfDecode(register, changed) {
            var function = self
            function.config.set(written, at: register)
            return .proposed(
                DecodeProposal(function: function, affectsMemory: affectsMemory, change: (register, written)))
        }
        config.set(written, at: register)
        switch register {
        case ConfigOffset.commandAndStatus: model.setCommand(UInt16(truncatingIfNeeded: written))
        case description.msiOffset where description.msiVectors != nil: dropUnallocatedMSI()
        case description.msixOffset where description.msix != nil && !isMSIXEnabled: msix?.clearPending()
        default: break
        }
        return .done(AccessOutcome(messages: takePendingMessages(), changesInterrupts: decidesInterrupts(register)))
    }

    /// Proposes a reset of the function: its registers are to be as after power-on, so that it decodes nothing.
    public func proposeReset() -> DecodeProposal {
        var function = self
        function.resetRegisters()
        return DecodeProposal(function: function, affectsMemory: true, change: nil)
    }

    /// Returns whether the function has the power state that a write of `value` to `register` sets. Every function has D0 and
    /// D3hot. For any register other than that of the power state the result is true.
    private func hasPowerState(_ value: UInt32, _ register: UInt64) -> Bool {
        guard register == shape.powerRegister, value & 3 == 1 || value & 3 == 2 else { return true }
        // The capability's first register has a bit for D1, and one for D2.
        return config[register: register - 4] >> (24 + value & 3) & 1 != 0
    }

    /// Makes a proposed change. A reset puts the whole function into its state after reset. Any other proposal changes one register
    /// only, and keeps everything that has happened since the proposal. A vector may have been raised, for example, or the model
    /// asked.
    public mutating func commit(_ proposal: DecodeProposal) -> AccessOutcome {
        guard let (register, value) = proposal.change else {
            reset()
            return AccessOutcome(changesEvents: true, changesInterrupts: true)
        }
        config.set(value, at: register)
        setModel(for: proposal)
        return AccessOutcome(messages: takePendingMessages(), changesInterrupts: decidesInterrupts(register))
    }

    /// Lets the model answer both at the places where it answers before a proposed change and at those where it will answer after
    /// it. This lasts until the change is committed or withdrawn.
    public mutating func prepare(_ proposal: DecodeProposal) {
        setModel(for: proposal, answersAsAfter: true)
    }

    /// Takes back what `prepare` did.
    public mutating func withdraw(_ proposal: DecodeProposal) {
        setModel(for: proposal)
    }

    /// Tells the model the command register or the power state if the proposal changes it.
    ///
    /// - Parameter answersAsAfter: Whether the model is to answer also at the places where it will answer after the change.
    private mutating func setModel(for proposal: DecodeProposal, answersAsAfter: Bool = false) {
        switch proposal.change?.register {
        case ConfigOffset.commandAndStatus:
            let also = answersAsAfter ? proposal.change?.value ?? 0 : 0
            model.setCommand(UInt16(truncatingIfNeeded: config[register: ConfigOffset.commandAndStatus] | also))
        case let register? where register == shape.powerRegister:
            model.setPowerState(answersAsAfter ? min(powerState, proposal.function.powerState) : powerState)
        default: break
        }
    }

    /// Returns whether the model answers the first byte of an access to configuration space.
    private func isOwn(_ offset: UInt64, _ width: AccessWidth) -> Bool {
        !shape.own.isEmpty && ConfigSpace.accepts(offset, width) && shape.own.contains { $0.contains(offset) }
    }

    /// Returns half the width of an access if the model answers some of its bytes, but not all. Such a mixed access is made as two
    /// accesses of half the width, for example one to the header of a capability and one to the bytes after the header. Returns nil
    /// for other accesses.
    private func halfOfMixed(_ offset: UInt64, _ width: AccessWidth) -> AccessWidth? {
        guard width != .byte, !shape.own.isEmpty, ConfigSpace.accepts(offset, width) else { return nil }
        let bytes = offset..<offset + UInt64(width.rawValue)
        let isMixed = shape.own.contains {
            $0.overlaps(bytes) && ($0.lowerBound > bytes.lowerBound || $0.upperBound < bytes.upperBound)
        }
        return isMixed ? AccessWidth(rawValue: width.rawValue / 2) : nil
    }

    /// Returns true if a change of these bits changes what is decoded in memory, false if it changes only what is decoded among the
    /// ports, and nil if it changes neither.
    private func changeOfDecode(_ register: UInt64, _ changed: UInt32) -> Bool? {
        switch register {
        case let register where register == shape.powerRegister: return changed & 3 == 0 ? nil : true
        case ConfigOffset.commandAndStatus:
            let decode = changed & (CommandBits.memory | CommandBits.ports)
            // The decode bits of a bridge also change what is decoded behind the bridge.
            return decode == 0 ? nil : decode & CommandBits.memory != 0 || description.bridge != nil
        case ConfigOffset.busNumbers..<ConfigOffset.windowsEnd where description.bridge != nil: return true
        case ConfigOffset.bars..<ConfigOffset.bars + 24:
            let place = Int((register - ConfigOffset.bars) / 4)
            // The upper half of a 64-bit BAR has no number of its own, so its kind is that of the BAR with the number before.
            let kind = description.bars[place]?.kind ?? description.bars[place - 1]?.kind
            return kind == .io ? (decodesPorts ? false : nil) : (decodesMemory ? true : nil)
        case ConfigOffset.rom:
            return decodesMemory && (isROMEnabled || changed & ConfigShape.romEnable != 0) ? true : nil
        default:
            return nil
        }
    }
}

// MARK: - Trapped places

extension PCIFunction {
    /// Reads a trapped place: the table or the pending bits of MSI-X, or a place for which the model answers.
    public mutating func readTrapped(
        _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> UInt64 {
        guard let part = part(of: register, touchedAt: offset, width) else {
            return width.mask(model.read(register, at: offset, width: width))
        }
        // An access that begins before the structure is not aligned.
        guard part.offsets.contains(offset) else { return width.allOnes }
        let offset = offset - part.location.offset
        return
            (part.name == .table
            ? msix?.readTable(at: offset, width: width) : msix?.readPendingBits(at: offset, width: width))
            ?? width.allOnes
    }

    /// Writes a trapped place: the table of MSI-X, or a place for which the model answers. The pending bits ignore writes.
    public mutating func writeTrapped(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> AccessOutcome {
        guard let part = part(of: register, touchedAt: offset, width) else {
            return outcome(of: model.write(width.mask(value), register, at: offset, width: width))
        }
        guard part.name == .table, part.offsets.contains(offset) else { return AccessOutcome() }
        let isOpen = sendsByMSIX
        return AccessOutcome(
            messages: msix?.writeTable(value, at: offset - part.location.offset, width: width, isOpen: isOpen) ?? [],
            changesInterrupts: true)
    }

    /// Returns whether an access reads pending bits of MSI-X.
    public func readsPendingBits(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> Bool {
        part(of: register, touchedAt: offset, width)?.name == .pendingBits
    }

    /// The writes that KVM is to take itself at present.
    public var events: [FunctionEvent] { model.events }

    /// Tells the model how many writes KVM has taken for an event.
    public mutating func add(count: UInt64, of event: FunctionEvent) {
        model.add(count: count, of: event)
    }

    /// Carries out the effects of an access, and returns what is left for the machine to do.
    private mutating func outcome(of effects: FunctionEffects) -> AccessOutcome {
        var outcome = AccessOutcome(changesEvents: effects.changesEvents)
        if effects.lowersLine { setInterruptStatus(false) }
        for vector in effects.vectors {
            if let message = raise(vector: vector) { outcome.messages.append(message) }
        }
        return outcome
    }

    /// Returns the structure of MSI-X in a BAR that an access touches, or nil if it touches none.
    func part(
        of register: BaseAddressRegister, touchedAt offset: UInt64, _ width: AccessWidth
    ) -> DescriptionPart? {
        guard !shape.msixParts.isEmpty, case .bar(let number) = register else { return nil }
        let (end, overflow) = offset.addingReportingOverflow(UInt64(width.rawValue))
        guard !overflow else { return nil }
        return shape.msixParts.first { $0.location.bar == number && $0.offsets.overlaps(offset..<end) }
    }
}
