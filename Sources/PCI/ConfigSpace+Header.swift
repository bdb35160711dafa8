internal import Memslots

/// The offsets of registers in a header of type 0 (PCI 3.0, 6.1). A field of less than four bytes has the offset of the register
/// that holds it.
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

/// The form of a function's MSI capability: which optional registers it has (PCI 3.0, 6.8.1). Every form has control, address and
/// data.
public struct MSIForm: Hashable, Sendable {
    /// Whether the capability has the upper half of the address.
    public var hasUpperAddress = true
    /// Whether the capability has a mask bit and a pending bit for each vector.
    public var hasMasks = true

    /// Creates the form that has all registers.
    public init() {}

    /// Creates the form that message control describes. Message control is the upper half of `control`, the capability's first
    /// register.
    init(control: UInt32) {
        hasUpperAddress = control & 1 << 23 != 0
        hasMasks = control & 1 << 24 != 0
    }

    // Offsets from the beginning of the capability.
    static let address: UInt64 = 4
    static let upperAddress: UInt64 = 8
    var data: UInt64 { hasUpperAddress ? 12 : 8 }
    var mask: UInt64 { data + 4 }
    var pending: UInt64 { data + 8 }
    var controlBits: UInt32 { (hasUpperAddress ? 1 << 23 : 0) | (hasMasks ? 1 << 24 : 0) }
}

/// Bits of the register that holds command and, as its upper half, status (PCI 3.0, 6.2.2 and 6.2.3).
enum CommandBits {
    static let ports: UInt32 = 1 << 0
    static let memory: UInt32 = 1 << 1
    static let busMaster: UInt32 = 1 << 2
    static let interruptDisable: UInt32 = 1 << 10
    /// Interrupt status.
    static let interrupt: UInt32 = 1 << 19
    /// Capabilities list.
    static let hasCapabilities: UInt32 = 1 << 20
}

/// Bits of the MSI capability's first register, whose upper half is message control (PCI 3.0, 6.8.1.3).
enum MSIControlBits {
    static let enable: UInt32 = 1 << 16
    /// Multiple message enable: the logarithm of the number of vectors that software allocated.
    static let allocated: UInt32 = 7 << 20

    /// Multiple message capable: the logarithm of the number of vectors.
    static func capable(of vectors: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: vectors.trailingZeroBitCount) << 17
    }
}

/// Bits of the MSI-X capability's first register, whose upper half is message control (PCI 3.0, 6.8.2.3).
enum MSIXControlBits {
    static let functionMask: UInt32 = 1 << 30
    static let enable: UInt32 = 1 << 31
}

extension ConfigShape {
    static let romEnable: UInt32 = 1

    /// Creates the registers of a function: those of its header and of its capabilities.
    convenience init(_ description: FunctionDescription) {
        let recording = description.recording
        var registers = recording?.registers ?? description.capabilityRegisters
        /// Defines a register. If the register is recorded, the bits of `kept` stay as they are.
        func define(_ value: UInt32, writable: UInt32 = 0, at offset: UInt64, keeping kept: UInt32 = 0) {
            registers[offset] = ((registers[offset]?.value ?? 0) & kept | value, writable)
        }
        let writable = CommandBits.ports | CommandBits.memory | CommandBits.busMaster | CommandBits.interruptDisable
        // Software uses the registers for cache line size and interrupt line for notes of its own, so their bits are writable.
        if let recording {
            // The recorded status register stays, except for its interrupt bit and its error bits.
            define(0, writable: writable, at: ConfigOffset.commandAndStatus, keeping: 0x06f7 << 16)
            if !recording.hasCapabilities {
                registers[ConfigOffset.commandAndStatus]?.value &= ~CommandBits.hasCapabilities
            }
            define(0, writable: 0xff, at: ConfigOffset.headerType, keeping: 0xff7f_ff00)
            define(0, writable: 0xff, at: ConfigOffset.interrupt, keeping: ~0xff)
            let bars: UInt64 = description.bridge == nil ? 6 : 2
            for offset in stride(from: ConfigOffset.bars, to: ConfigOffset.bars + 4 * bars, by: 4) {
                define(0, at: offset)
            }
            // In a header of type 1 this register holds the upper halves of the I/O window's base and limit.
            define(0, at: ConfigOffset.rom)
            if description.bridge != nil { define(0, at: ConfigOffset.bridgeROM) }
            description.makeMessagesLive(in: &registers)
        } else {
            let first = description.capabilityChain.first { !$0.isExtended }?.offset ?? 0
            define(UInt32(description.deviceID) << 16 | UInt32(description.vendorID), at: ConfigOffset.identity)
            define(UInt32(first), at: ConfigOffset.capabilities)
            define(first == 0 ? 0 : CommandBits.hasCapabilities, writable: writable, at: ConfigOffset.commandAndStatus)
            define(description.classCode << 8 | UInt32(description.revision), at: ConfigOffset.classAndRevision)
            define(0, writable: 0xff, at: ConfigOffset.headerType)
            define(UInt32(description.interruptPin) << 8, writable: 0xff, at: ConfigOffset.interrupt)
        }
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
        if description.bridge != nil {
            for (offset, register) in Self.bridgeRegisters {
                // The rest of these recorded registers stays: the whole header type, the timer, the secondary status, and the bits
                // that say which ports the I/O window can have.
                let kept: UInt32 = offset == BridgeWindow.ports.offset ? 0xffff_0f0f : 0xff00_0000
                let isRest = recording != nil && offset < BridgeWindow.memory.offset
                if isRest, offset == ConfigOffset.headerType { continue }
                define(register.value, writable: register.writable, at: offset, keeping: isRest ? kept : 0)
            }
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
    private var messageCapabilities: [CapabilityDescription] {
        [
            msix.map { Self.capability($0, at: msixOffset) },
            msiVectors.map { Self.capabilityMSI($0, msiForm, at: msiOffset) },
        ].compactMap(\.self)
    }

    /// Makes the bits of MSI and MSI-X writable that software may write, in recorded registers. These bits and the pending bits are
    /// zero after reset.
    fileprivate func makeMessagesLive(in registers: inout ConfigShape.Registers) {
        for capability in messageCapabilities {
            for (index, bits) in capability.writable.enumerated() where bits != 0 {
                let offset = capability.offset + capability.headerSize + UInt64(index)
                let shifted = UInt32(bits) << (UInt32(truncatingIfNeeded: offset & 3) * 8)
                registers[offset & ~3, default: (0, 0)].value &= ~shifted
                registers[offset & ~3]?.writable |= shifted
            }
        }
        if msiVectors != nil, msiForm.hasMasks { registers[msiOffset + msiForm.pending] = (0, 0) }
    }

    /// The capabilities of MSI-X and MSI, and the other capabilities, in no order.
    var allCapabilities: [CapabilityDescription] {
        messageCapabilities + capabilities
    }

    /// All capabilities in the order of their offsets. The PCI Express list has to begin at 0x100, so it gets an empty capability
    /// there if it has none (PCIe, 7.6.3).
    fileprivate var capabilityChain: [CapabilityDescription] {
        var chain = allCapabilities
        if chain.contains(where: \.isExtended), !chain.contains(where: { $0.offset == 0x100 }) {
            chain.append(CapabilityDescription(id: 0, offset: 0x100, version: 0))
        }
        return chain.sorted { $0.offset < $1.offset }
    }

    /// The registers of all capabilities. Each capability links to the next one of its list, in the order of offsets.
    fileprivate var capabilityRegisters: ConfigShape.Registers {
        var registers: ConfigShape.Registers = [:]
        let chain = capabilityChain
        for (capability, next) in zip(chain, chain.dropFirst().map(Optional.some) + [nil]) {
            for (index, byte) in capability.body.enumerated() {
                let offset = capability.offset + capability.headerSize + UInt64(index)
                let shift = UInt32(truncatingIfNeeded: offset & 3) * 8
                registers[offset & ~3, default: (0, 0)].value |= UInt32(byte) << shift
                guard index < capability.writable.count else { continue }
                registers[offset & ~3, default: (0, 0)].writable |= UInt32(capability.writable[index]) << shift
            }
            let following = next.map { $0.isExtended == capability.isExtended ? UInt32($0.offset) : 0 } ?? 0
            registers[capability.offset, default: (0, 0)].value |=
                UInt32(capability.id)
                | (capability.version.map { UInt32($0) << 16 | following << 20 } ?? following << 8)
        }
        return registers
    }

    private static func capability(_ msix: MSIXDescription, at offset: UInt64) -> CapabilityDescription {
        func place(_ location: BARLocation) -> UInt32 {
            UInt32(truncatingIfNeeded: location.offset) | UInt32(truncatingIfNeeded: location.bar)
        }
        return CapabilityDescription(
            id: CapabilityID.msix, offset: offset,
            registers: [
                UInt32(truncatingIfNeeded: msix.vectors - 1) << 16, place(msix.table), place(msix.pendingBits),
            ],
            writable: [MSIXControlBits.functionMask | MSIXControlBits.enable])
    }

    private static func capabilityMSI(
        _ vectors: Int, _ form: MSIForm, at offset: UInt64
    ) -> CapabilityDescription {
        // The registers after message control: the address, whose low two bits are zero (6.8.1.4), the upper address, the data, the
        // masks, and the pending bits.
        let masks: UInt32 = .max >> UInt32(truncatingIfNeeded: 32 - vectors)
        let writable: [UInt32] =
            [MSIControlBits.allocated | MSIControlBits.enable, ~3] + (form.hasUpperAddress ? [.max] : []) + [0xffff]
            + (form.hasMasks ? [masks, 0] : [])
        let first = form.controlBits | MSIControlBits.capable(of: vectors)
        return CapabilityDescription(
            id: CapabilityID.msi, offset: offset,
            registers: [first] + writable.dropFirst().map { _ in 0 }, writable: writable)
    }
}

extension CapabilityDescription {
    fileprivate var isExtended: Bool { version != nil }

    /// Creates a capability of the PCI list from its registers. The lower half of the first register is the header, which `body`
    /// does not have.
    fileprivate init(id: UInt16, offset: UInt64, registers: [UInt32], writable: [UInt32]) {
        func body(_ registers: [UInt32]) -> [UInt8] {
            Array(registers.flatMap { littleEndian($0) }.dropFirst(2))
        }
        self.init(id: id, offset: offset, body: body(registers), writable: body(writable))
    }
}
