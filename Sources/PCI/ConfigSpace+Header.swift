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
    /// The MSI-X capability, first of the list where it is there (6.8.2).
    static let msix: UInt64 = 0x40
    /// The MSI capability (6.8.1), with 64 address bits and masks.
    static let msi: UInt64 = 0x50
    static let msiAddress = msi + 4
    static let msiUpperAddress = msi + 8
    static let msiData = msi + 12
    static let msiMask = msi + 16
    static let msiPending = msi + 20
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

extension ConfigSpace {
    static let romEnable: UInt32 = 1
    private static let multifunction: UInt32 = 1 << 23

    /// The header of a function after reset.
    init(_ description: FunctionDescription) {
        define(UInt32(description.deviceID) << 16 | UInt32(description.vendorID), at: ConfigOffset.identity)
        let firstCapability =
            description.msix != nil ? ConfigOffset.msix : description.msiVectors != nil ? ConfigOffset.msi : 0
        define(UInt32(firstCapability), at: ConfigOffset.capabilities)
        define(
            firstCapability == 0 ? 0 : 1 << 20,
            writable: CommandBits.ports | CommandBits.memory | CommandBits.busMaster | CommandBits.interruptDisable,
            at: ConfigOffset.commandAndStatus)
        define(description.classCode << 8 | UInt32(description.revision), at: ConfigOffset.classAndRevision)
        // Software keeps its own notes in cache line size and interrupt line.
        define(0, writable: 0xff, at: ConfigOffset.headerType)
        define(0, writable: 0xff, at: ConfigOffset.interrupt)
        for (number, bar) in description.bars {
            define(bar, number)
        }
        if let size = description.romSize {
            define(0, writable: UInt32(truncatingIfNeeded: 0 &- size) | Self.romEnable, at: ConfigOffset.rom)
        }
        if let msix = description.msix {
            define(msix, next: description.msiVectors == nil ? 0 : ConfigOffset.msi)
        }
        if let vectors = description.msiVectors {
            defineMSI(vectors)
        }
    }

    private mutating func define(_ bar: BARDescription, _ number: Int) {
        let offset = BaseAddressRegister.bar(number).offset
        let addressBits = 0 &- bar.size
        let type: UInt32 =
            switch bar.kind {
            case .io: 1
            case .memory32: bar.isPrefetchable ? 8 : 0
            case .memory64: bar.isPrefetchable ? 12 : 4
            }
        define(type, writable: UInt32(truncatingIfNeeded: addressBits), at: offset)
        if bar.kind == .memory64 {
            define(0, writable: UInt32(truncatingIfNeeded: addressBits >> 32), at: offset + 4)
        }
    }

    private mutating func define(_ msix: MSIXDescription, next: UInt64) {
        func place(_ location: BARLocation) -> UInt32 {
            UInt32(truncatingIfNeeded: location.offset) | UInt32(truncatingIfNeeded: location.bar)
        }
        define(
            UInt32(truncatingIfNeeded: msix.vectors - 1) << 16 | UInt32(next) << 8 | 0x11,
            writable: MSIXControlBits.functionMask | MSIXControlBits.enable,
            at: ConfigOffset.msix)
        define(place(msix.table), at: ConfigOffset.msix + 4)
        define(place(msix.pendingBits), at: ConfigOffset.msix + 8)
    }

    private mutating func defineMSI(_ vectors: Int) {
        define(
            MSIControlBits.features | MSIControlBits.capable(of: vectors) | 0x05,
            writable: MSIControlBits.allocated | MSIControlBits.enable, at: ConfigOffset.msi)
        // The low two address bits are zero (6.8.1.4).
        define(0, writable: ~3, at: ConfigOffset.msiAddress)
        define(0, writable: .max, at: ConfigOffset.msiUpperAddress)
        define(0, writable: 0xffff, at: ConfigOffset.msiData)
        define(0, writable: .max >> UInt32(truncatingIfNeeded: 32 - vectors), at: ConfigOffset.msiMask)
    }

    /// Whether the device has more than one function (PCI 3.0, 6.2.1).
    var isMultifunction: Bool {
        get { self[register: ConfigOffset.headerType] & Self.multifunction != 0 }
        set {
            let register = self[register: ConfigOffset.headerType]
            set(
                newValue ? register | Self.multifunction : register & ~Self.multifunction,
                at: ConfigOffset.headerType)
        }
    }
}
