extension PCIFunction {
    /// Whether software has enabled MSI (PCI 3.0, 6.8.1.3).
    public var isMSIEnabled: Bool {
        description.msiVectors != nil && config[register: description.msiOffset] & MSIControlBits.enable != 0
    }

    /// Whether software has enabled MSI-X (PCI 3.0, 6.8.2.3).
    public var isMSIXEnabled: Bool {
        description.msix != nil && config[register: description.msixOffset] & MSIXControlBits.enable != 0
    }

    /// Whether all vectors of MSI-X are masked at once (PCI 3.0, 6.8.2.3).
    public var isMSIXFunctionMasked: Bool {
        description.msix != nil && config[register: description.msixOffset] & MSIXControlBits.functionMask != 0
    }

    /// Whether MSI-X is enabled and not all of its vectors are masked at once.
    var isMSIXOpen: Bool { isMSIXEnabled && !isMSIXFunctionMasked }

    /// Raises a vector by MSI-X if that is enabled, otherwise by MSI. While both are off, any vector raises the interrupt line, if
    /// the function has a pin. A vector that does not exist or that software has not allocated is ignored.
    ///
    /// - Returns: The message to send now, or nil if there is none. A vector that cannot be sent now, for example because it is
    ///   masked, becomes pending.
    public mutating func raise(vector: UInt64) -> MSIMessage? {
        guard hasPower else { return nil }
        if isMSIXEnabled {
            let isOpen = sendsByMSIX
            return msix?.raise(vector, isOpen: isOpen)
        }
        guard isMSIEnabled else {
            if interruptPin > 0 { setInterruptStatus(true) }
            return nil
        }
        guard vector < allocatedMSIVectors else { return nil }
        let bit: UInt32 = 1 << UInt32(truncatingIfNeeded: vector)
        guard sendsByMSI, maskedMSI & bit == 0 else {
            pendingMSI |= bit
            return nil
        }
        return msiMessage(UInt32(truncatingIfNeeded: vector))
    }

    /// Whether a message that the function can send wakes a processor that has halted with interrupts off.
    public var canWakeHalted: Bool {
        if sendsByMSI, MSIMessage.wakesHalted(UInt64(register(description.msiForm.data) & 0xffff)) {
            return true
        }
        return sendsByMSIX && msix?.openMessages.values.contains { MSIMessage.wakesHalted(UInt64($0.data)) } == true
    }

    /// The interrupts that the function can send now, as software has set them up.
    public var interruptState: InterruptState {
        if isMSIXEnabled { return .messagesX(sendsByMSIX ? msix?.openMessages ?? [:] : [:]) }
        if isMSIEnabled {
            let open = sendsByMSI ? (0..<UInt32(allocatedMSIVectors)).filter { maskedMSI >> $0 & 1 == 0 } : []
            return .messages(Dictionary(uniqueKeysWithValues: open.map { (Int($0), msiMessage($0)) }))
        }
        return interruptPin > 0 && !isLineDisabled ? .line : .none
    }

    /// The pin of the interrupt line, from 1 for INTA# on, or 0 if there is none (PCI 3.0, 6.2.4).
    public var interruptPin: UInt8 { UInt8(truncatingIfNeeded: config[register: ConfigOffset.interrupt] >> 8) }

    /// Whether the function asserts its interrupt line. It does so if it has raised the line and not lowered it again, if MSI and
    /// MSI-X are off, and if the command register does not forbid the line (PCI 3.0, 6.2.3).
    public var assertsLine: Bool {
        config[register: ConfigOffset.commandAndStatus] & CommandBits.interrupt != 0 && interruptState == .line
    }

    /// Sets or clears the interrupt bit of the status register.
    mutating func setInterruptStatus(_ isPending: Bool) {
        let register = config[register: ConfigOffset.commandAndStatus] & ~CommandBits.interrupt
        config.set(isPending ? register | CommandBits.interrupt : register, at: ConfigOffset.commandAndStatus)
    }

    /// Returns whether a register in configuration space decides which interrupts the function sends.
    func decidesInterrupts(_ register: UInt64) -> Bool {
        register == ConfigOffset.commandAndStatus || register == description.msixOffset && description.msix != nil
            || description.msiVectors != nil && (description.msiOffset..<description.msiOffset + 24).contains(register)
    }

    /// Returns whether an access to configuration space reads the pending bits of MSI.
    public func readsPendingBits(at offset: UInt64) -> Bool {
        description.msiVectors != nil && description.msiForm.hasMasks
            && offset & ~3 == description.msiOffset + description.msiForm.pending
    }

    /// Returns the messages of the pending vectors that can be sent now, the lowest vector first. These vectors are no longer
    /// pending.
    mutating func takePendingMessages() -> [MSIMessage] {
        let isOpen = sendsByMSIX
        return (msix?.takePending(isOpen: isOpen) ?? []) + takePendingMSI()
    }

    /// Whether the function can send messages by MSI-X. A message is a write that the function makes itself, so bus master has to
    /// be on (PCI 3.0, 6.2.2).
    var sendsByMSIX: Bool { isMSIXOpen && isBusMaster }

    // MARK: MSI, whose state is all in configuration space

    /// Whether the function can send messages by MSI. Software must not enable both MSI and MSI-X (PCI 3.0, 6.8). If it does, only
    /// MSI-X is used.
    private var sendsByMSI: Bool {
        isMSIEnabled && !isMSIXEnabled && isBusMaster
    }

    /// The number of vectors that software allocated, but no more than the function has (PCI 3.0, 6.8.1.3).
    var allocatedMSIVectors: UInt64 {
        let logarithm = (config[register: description.msiOffset] & MSIControlBits.allocated) >> 20
        return min(1 << UInt64(logarithm), UInt64(description.msiVectors ?? 0))
    }

    /// Returns the message of a vector. The number of the vector replaces the low data bits (PCI 3.0, 6.8.1.6).
    private func msiMessage(_ vector: UInt32) -> MSIMessage {
        let numberBits = UInt32(truncatingIfNeeded: allocatedMSIVectors &- 1)
        return MSIMessage(
            address: (description.msiForm.hasUpperAddress ? UInt64(register(MSIForm.upperAddress)) << 32 : 0)
                | UInt64(register(MSIForm.address) & ~3),
            data: register(description.msiForm.data) & 0xffff & ~numberBits | vector)
    }

    private func register(_ offset: UInt64) -> UInt32 { config[register: description.msiOffset + offset] }

    private var maskedMSI: UInt32 { description.msiForm.hasMasks ? register(description.msiForm.mask) : 0 }

    /// The pending vectors, one bit each. If the capability has no register for them, they are in `hiddenPendingMSI`.
    private var pendingMSI: UInt32 {
        get { description.msiForm.hasMasks ? register(description.msiForm.pending) : hiddenPendingMSI }
        set {
            if description.msiForm.hasMasks {
                config.set(newValue, at: description.msiOffset + description.msiForm.pending)
            } else {
                hiddenPendingMSI = newValue
            }
        }
    }

    private mutating func takePendingMSI() -> [MSIMessage] {
        guard sendsByMSI else { return [] }
        let pending = pendingMSI
        let sent = pending & ~maskedMSI
        guard sent != 0 else { return [] }
        pendingMSI = pending & ~sent
        return (0..<32).filter { sent >> $0 & 1 != 0 }.map(msiMessage)
    }

    /// Clears the pending bits of vectors that are not allocated, or of all vectors if MSI is off.
    mutating func dropUnallocatedMSI() {
        let allocated = UInt32(truncatingIfNeeded: (UInt64(1) << allocatedMSIVectors) &- 1)
        pendingMSI = isMSIEnabled ? pendingMSI & allocated : 0
    }
}

/// The interrupts that a function can send.
public enum InterruptState: Hashable, Sendable {
    /// No interrupts.
    case none
    /// The function's interrupt line (INTx).
    case line
    /// MSI, with the messages of the vectors that are not masked.
    case messages([Int: MSIMessage])
    /// MSI-X, with the messages of the vectors that are not masked.
    case messagesX([Int: MSIMessage])
}
