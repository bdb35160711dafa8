/// Places in a type 0 header (PCI 3.0, 6.1), by the register that holds them.
enum ConfigOffset {
    static let identity: UInt64 = 0x00
    static let commandAndStatus: UInt64 = 0x04
    static let classAndRevision: UInt64 = 0x08
    static let headerType: UInt64 = 0x0c
    static let bars: UInt64 = 0x10
    static let rom: UInt64 = 0x30
    static let capabilities: UInt64 = 0x34
    static let interrupt: UInt64 = 0x3c
}

/// Places in the MSI capability with 64 address bits and masks (PCI 3.0, 6.8.1), from its beginning.
enum MSIOffset {
    static let address: UInt64 = 4
    static let upperAddress: UInt64 = 8
    static let data: UInt64 = 12
    static let mask: UInt64 = 16
    static let pending: UInt64 = 20
}

/// Bits of the command register (PCI 3.0, 6.2.2).
enum CommandBits {
    static let ports: UInt32 = 1 << 0
    static let memory: UInt32 = 1 << 1
    static let busMaster: UInt32 = 1 << 2
    static let interruptDisable: UInt32 = 1 << 10
}

/// Bits of the MSI capability's first register; message control is its upper half (PCI 3.0, 6.8.1.3).
enum MSIControlBits {
    static let enable: UInt32 = 1 << 16
    /// Multiple message enable: the logarithm of the number of vectors that software allocated.
    static let allocated: UInt32 = 7 << 20
    /// 64 address bits, and a mask bit for each vector.
    static let features: UInt32 = 1 << 23 | 1 << 24

    /// Multiple message capable: the logarithm of the number of vectors.
    static func capable(of vectors: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: vectors.trailingZeroBitCount) << 17
    }
}

/// Bits of the MSI-X capability's first register; message control is its upper half (PCI 3.0, 6.8.2.3).
enum MSIXControlBits {
    static let functionMask: UInt32 = 1 << 30
    static let enable: UInt32 = 1 << 31
}

extension ConfigShape {
    static let romEnable: UInt32 = 1
    private static let hasCapabilities: UInt32 = 1 << 20

    /// The registers of a function: its header and its capabilities.
    convenience init(_ description: FunctionDescription) {
        var registers = description.capabilityRegisters
        func define(_ value: UInt32, writable: UInt32 = 0, at offset: UInt64) {
            registers[offset] = (value, writable)
        }
        define(UInt32(description.deviceID) << 16 | UInt32(description.vendorID), at: ConfigOffset.identity)
        let first = description.capabilityChain.first { !$0.isExtended }?.offset ?? 0
        define(UInt32(first), at: ConfigOffset.capabilities)
        define(
            first == 0 ? 0 : Self.hasCapabilities,
            writable: CommandBits.ports | CommandBits.memory | CommandBits.busMaster | CommandBits.interruptDisable,
            at: ConfigOffset.commandAndStatus)
        define(description.classCode << 8 | UInt32(description.revision), at: ConfigOffset.classAndRevision)
        // Software keeps its own notes in cache line size and interrupt line.
        define(0, writable: 0xff, at: ConfigOffset.headerType)
        define(0, writable: 0xff, at: ConfigOffset.interrupt)
        for (number, bar) in description.bars {
            let offset = BaseAddressRegister.bar(number).offset
            let addressBits = 0 &- bar.size
            define(bar.typeBits, writable: UInt32(truncatingIfNeeded: addressBits), at: offset)
            if bar.kind == .memory64 {
                define(0, writable: UInt32(truncatingIfNeeded: addressBits >> 32), at: offset + 4)
            }
        }
        if let size = description.romSize {
            define(0, writable: UInt32(truncatingIfNeeded: 0 &- size) | Self.romEnable, at: ConfigOffset.rom)
        }
        self.init(registers)
    }
}

extension BARDescription {
    /// The low bits of the register, which say what kind of BAR it is (PCI 3.0, 6.2.5.1).
    fileprivate var typeBits: UInt32 {
        switch kind {
        case .io: 1
        case .memory32: isPrefetchable ? 8 : 0
        case .memory64: isPrefetchable ? 12 : 4
        }
    }
}

// MARK: - Capabilities

extension FunctionDescription {
    /// A capability's place in its list.
    struct ChainLink {
        let id: UInt16
        let offset: UInt64
        let version: UInt8?

        var isExtended: Bool { version != nil }
    }

    /// All capabilities by offset; those of PCI Express begin at 0x100, if need be with an empty one (PCIe, 7.6.3).
    var capabilityChain: [ChainLink] {
        var chain = capabilities.map { ChainLink(id: $0.id, offset: $0.offset, version: $0.version) }
        if msix != nil { chain.append(ChainLink(id: CapabilityID.msix, offset: msixOffset, version: nil)) }
        if msiVectors != nil { chain.append(ChainLink(id: CapabilityID.msi, offset: msiOffset, version: nil)) }
        if chain.contains(where: \.isExtended), !chain.contains(where: { $0.offset == 0x100 }) {
            chain.append(ChainLink(id: 0, offset: 0x100, version: 0))
        }
        return chain.sorted { $0.offset < $1.offset }
    }

    /// The registers of all capabilities, linked by offset.
    fileprivate var capabilityRegisters: ConfigShape.Registers {
        var registers: ConfigShape.Registers = [:]
        if let msix { Self.define(msix, at: msixOffset, in: &registers) }
        if let msiVectors { Self.defineMSI(msiVectors, at: msiOffset, in: &registers) }
        for capability in capabilities {
            for (index, byte) in capability.body.enumerated() {
                let offset = capability.offset + capability.headerSize + UInt64(index)
                let shift = UInt32(truncatingIfNeeded: offset & 3) * 8
                registers[offset & ~3, default: (0, 0)].value |= UInt32(byte) << shift
                guard index < capability.writable.count else { continue }
                registers[offset & ~3, default: (0, 0)].writable |= UInt32(capability.writable[index]) << shift
            }
        }
        let chain = capabilityChain
        for (link, next) in zip(chain, chain.dropFirst().map(Optional.some) + [nil]) {
            let following = next.map { $0.isExtended == link.isExtended ? UInt32($0.offset) : 0 } ?? 0
            registers[link.offset, default: (0, 0)].value |=
                UInt32(link.id) | (link.version.map { UInt32($0) << 16 | following << 20 } ?? following << 8)
        }
        return registers
    }

    private static func define(
        _ msix: MSIXDescription, at offset: UInt64, in registers: inout ConfigShape.Registers
    ) {
        func place(_ location: BARLocation) -> UInt32 {
            UInt32(truncatingIfNeeded: location.offset) | UInt32(truncatingIfNeeded: location.bar)
        }
        registers[offset] = (
            UInt32(truncatingIfNeeded: msix.vectors - 1) << 16, MSIXControlBits.functionMask | MSIXControlBits.enable
        )
        registers[offset + 4] = (place(msix.table), 0)
        registers[offset + 8] = (place(msix.pendingBits), 0)
    }

    private static func defineMSI(_ vectors: Int, at offset: UInt64, in registers: inout ConfigShape.Registers) {
        registers[offset] = (
            MSIControlBits.features | MSIControlBits.capable(of: vectors),
            MSIControlBits.allocated | MSIControlBits.enable
        )
        // The low two address bits are zero (6.8.1.4).
        registers[offset + MSIOffset.address] = (0, ~3)
        registers[offset + MSIOffset.upperAddress] = (0, .max)
        registers[offset + MSIOffset.data] = (0, 0xffff)
        registers[offset + MSIOffset.mask] = (0, .max >> UInt32(truncatingIfNeeded: 32 - vectors))
        registers[offset + MSIOffset.pending] = (0, 0)
    }
}
