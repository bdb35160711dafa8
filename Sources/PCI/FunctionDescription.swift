/// What a function is made of, before it has any state: identity, BARs, ROM, MSI and MSI-X.
public struct FunctionDescription: Hashable, Sendable {
    public var vendorID: UInt16
    public var deviceID: UInt16
    /// Class, subclass, programming interface: 24 bits (PCI 3.0, appendix D).
    public var classCode: UInt32
    public var revision: UInt8
    /// By number; a 64-bit BAR takes its own number and the next, which has none.
    public var bars: [Int: BARDescription]
    /// Bytes of the expansion ROM, a power of two of at least 2 KiB; nil without one.
    public var romSize: UInt64?
    /// Vectors of MSI (PCI 3.0, 6.8.1): 1, 2, 4, 8, 16 or 32; nil without it.
    public var msiVectors: Int?
    public var msix: MSIXDescription?
    /// Where the guest writes a vector's number in order to have it raised. A write four bytes farther on takes the interrupt line back.
    public var doorbell: BARLocation?
    /// The pin of the interrupt line: 1 for INTA# to 4 for INTD#, or 0 without one. A recording has its own.
    public var interruptPin: UInt8 = 0
    /// What makes it a bridge; nil for a function that is none. A bridge has BARs 0 and 1 at most, and no ROM.
    public var bridge: BridgeDescription?
    /// How many virtual functions may be switched on later, and the BARs of each. Their addresses are kept free.
    public var virtualCount = 0
    public var virtualBARs: [Int: BARDescription] = [:]
    /// Where the capabilities of MSI-X and of MSI lie in configuration space.
    public var msixOffset: UInt64 = 0x40
    public var msiOffset: UInt64 = 0x50
    public var msiForm = MSIForm()
    /// The configuration space of the real function that this describes; nil where the description says it all.
    public internal(set) var recording: RecordedConfiguration?
    /// The capabilities beside MSI and MSI-X, unless there is a recording of them.
    public var capabilities: [CapabilityDescription] = []

    public init(
        vendorID: UInt16, deviceID: UInt16, classCode: UInt32 = 0xff0000, revision: UInt8 = 0,
        bars: [Int: BARDescription] = [:], romSize: UInt64? = nil, msiVectors: Int? = nil,
        msix: MSIXDescription? = nil, doorbell: BARLocation? = nil, capabilities: [CapabilityDescription] = []
    ) {
        self.vendorID = vendorID
        self.deviceID = deviceID
        self.classCode = classCode
        self.revision = revision
        self.bars = bars
        self.romSize = romSize
        self.msiVectors = msiVectors
        self.msix = msix
        self.doorbell = doorbell
        self.capabilities = capabilities
    }
}

/// A base address register and what lies behind it.
public struct BARDescription: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Codable, Sendable {
        case memory32
        case memory64
        case io
    }

    public var kind: Kind
    public var isPrefetchable: Bool
    /// Bytes: a power of two, at least 16 for memory and 4 for I/O.
    public var size: UInt64
    /// Parts that are registers of the device, not memory: accesses to them exit to the monitor. MSI-X tables and doorbells need
    /// not be listed.
    public var registers: [Range<UInt64>]

    public init(kind: Kind, size: UInt64, isPrefetchable: Bool = false, registers: [Range<UInt64>] = []) {
        self.kind = kind
        self.size = size
        self.isPrefetchable = isPrefetchable
        self.registers = registers
    }
}

/// A place in a BAR.
public struct BARLocation: Hashable, Sendable {
    public var bar: Int
    /// In bytes.
    public var offset: UInt64

    public init(bar: Int, offset: UInt64) {
        self.bar = bar
        self.offset = offset
    }
}

/// The MSI-X structure (PCI 3.0, 6.8.2).
public struct MSIXDescription: Hashable, Sendable {
    /// 1 to 2048.
    public var vectors: Int
    /// 16 bytes a vector.
    public var table: BARLocation
    /// A bit a vector, in words of 64.
    public var pendingBits: BARLocation

    public init(vectors: Int, table: BARLocation, pendingBits: BARLocation) {
        self.vectors = vectors
        self.table = table
        self.pendingBits = pendingBits
    }
}
