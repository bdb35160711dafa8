public import Devices

extension PCIFunction {
    /// Reads a trapped place. Registers that are nothing in particular read as zero, unlike an address where nobody is.
    public func readTrapped(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        if let testDevice { return testDevice.read(at: offset, width: width) }
        guard let part = part(of: register, touchedAt: offset, width) else { return 0 }
        // An access that begins before the part or passes its end is not aligned.
        guard let offset = part.contains(offset) else { return width.allOnes }
        switch part.name {
        case .table: return msix?.readTable(at: offset, width: width) ?? width.allOnes
        case .pendingBits: return msix?.readPendingBits(at: offset, width: width) ?? width.allOnes
        case .doorbell: return 0
        }
    }

    /// Writes a trapped place and gives the messages that this sends. The doorbell raises the vector that is written to it;
    /// the pending bits and registers that are nothing in particular ignore writes.
    public mutating func writeTrapped(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> [MSIMessage] {
        testDevice?.write(value, register, at: offset, width: width)
        guard let part = part(of: register, touchedAt: offset, width), let offset = part.contains(offset) else {
            return []
        }
        switch part.name {
        case .table:
            let isOpen = sendsByMSIX
            return msix?.writeTable(value, at: offset, width: width, isOpen: isOpen) ?? []
        case .doorbell where offset == 0:
            return raise(vector: width.mask(value)).map { [$0] } ?? []
        case .pendingBits, .doorbell:
            return []
        }
    }

    private func part(
        of register: BaseAddressRegister, touchedAt offset: UInt64, _ width: AccessWidth
    ) -> DescriptionPart? {
        guard case .bar(let number) = register else { return nil }
        let (end, overflow) = offset.addingReportingOverflow(UInt64(width.rawValue))
        guard !overflow else { return nil }
        return description.parts.first { $0.location.bar == number && $0.offsets.overlaps(offset..<end) }
    }
}

extension DescriptionPart {
    /// The offset in the part of an offset in the BAR, or nil outside.
    fileprivate func contains(_ offset: UInt64) -> UInt64? {
        offsets.contains(offset) ? offset - location.offset : nil
    }
}
