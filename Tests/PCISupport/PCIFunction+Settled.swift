public import Devices
public import PCI

extension PCIFunction {
    /// Writes configuration space, and agrees to a change of decode.
    @discardableResult
    public mutating func writeSettled(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> AccessOutcome {
        switch write(value, at: offset, width: width) {
        case .done(let outcome): outcome
        case .proposed(let proposal): commit(proposal)
        }
    }

    /// What software reads from configuration space; the function stays as it is.
    public func peek(at offset: UInt64, width: AccessWidth) -> UInt64 {
        var copy = self
        return copy.read(at: offset, width: width)
    }

    /// What software reads from a trapped place; the function stays as it is.
    public func peekTrapped(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        var copy = self
        return copy.readTrapped(register, at: offset, width: width)
    }
}

extension ConfigWrite {
    /// The change of decode that the write proposes; nil where it is done.
    public var proposal: DecodeProposal? {
        if case .proposed(let proposal) = self { proposal } else { nil }
    }

    /// What the write led to; nil where it is proposed.
    public var outcome: AccessOutcome? {
        if case .done(let outcome) = self { outcome } else { nil }
    }

    /// Whether the write leads to nothing: no change of decode, no message, no other events.
    public var isEmpty: Bool { outcome?.asksForNothing == true }
}

extension AccessOutcome {
    /// Whether there is nothing to do. Whether interrupts may have changed matters only to assigned devices.
    public var asksForNothing: Bool { messages.isEmpty && !changesEvents }
}
