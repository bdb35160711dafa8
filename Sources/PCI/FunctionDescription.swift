/// The fixed part of a function, without state: identity, BARs, ROM, MSI, MSI-X, and other capabilities.
public struct FunctionDescription: Hashable, Sendable {
    /// The vendor ID.
    public var vendorID: UInt16
    /// The device ID.
    public var deviceID: UInt16
    /// The class, subclass and programming interface, in 24 bits (PCI 3.0, appendix D).
    public var classCode: UInt32
    /// The revision ID.
    public var revision: UInt8
    /// The BARs by their numbers. A 64-bit BAR also takes the next number, for which there is no entry.
    public var bars: [Int: BARDescription]
    /// The bytes of the expansion ROM, a power of two of at least 2 KiB, or nil without a ROM.
    public var romSize: UInt64?
    /// The number of MSI vectors (PCI 3.0, 6.8.1): 1, 2, 4, 8, 16 or 32, or nil without MSI.
    public var msiVectors: Int?
    /// The structures of MSI-X, or nil without MSI-X.
    public var msix: MSIXDescription?
    /// The place to which the guest writes a vector's number in order to have the vector raised. A write four bytes after this
    /// place lowers the interrupt line again.
    public var doorbell: BARLocation?
    /// The pin of the interrupt line: 1 for INTA# to 4 for INTD#, or 0 without one. If there is a recording, the recorded pin
    /// counts instead.
    public var interruptPin: UInt8 = 0
    /// The part that makes the function a bridge, or nil for other functions. A bridge has BARs 0 and 1 at most, and no ROM.
    public var bridge: BridgeDescription?
    /// The number of virtual functions that may be switched on later. The addresses of their BARs are kept free.
    public var virtualCount = 0
    /// The BARs that each virtual function has, by their numbers.
    public var virtualBARs: [Int: BARDescription] = [:]
    /// The offset of the MSI-X capability in configuration space.
    public var msixOffset: UInt64 = 0x40
    /// The offset of the MSI capability in configuration space.
    public var msiOffset: UInt64 = 0x50
    /// The optional registers of the MSI capability.
    public var msiForm = MSIForm()
    /// The configuration space of the real function that is described, or nil if everything in configuration space follows from the
    /// description.
    public internal(set) var recording: RecordedConfiguration?
    /// The capabilities other than MSI and MSI-X. If there is a recording, the recorded capabilities count instead.
    public var capabilities: [CapabilityDescription] = []

    /// Creates the description of a function. Without `classCode`, the class code is that of a function that fits into no class.
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

/// A BAR: the kind of its addresses, its size, and the parts of it that are registers.
public struct BARDescription: Hashable, Sendable {
    /// The kind of addresses that a BAR holds.
    public enum Kind: String, CaseIterable, Codable, Sendable {
        /// Memory below 4 GiB.
        case memory32
        /// Memory at any address. The BAR takes two registers.
        case memory64
        /// Ports.
        case io
    }

    /// The kind of the BAR's addresses.
    public var kind: Kind
    /// Whether the register says that the memory is prefetchable.
    public var isPrefetchable: Bool
    /// The size in bytes: a power of two, at least 16 for memory and 4 for I/O.
    public var size: UInt64
    /// The parts that are registers of the device and not memory, in bytes from the beginning of the BAR. Accesses to them exit to
    /// the monitor. The structures of MSI-X and the doorbell need not be listed.
    public var registers: [Range<UInt64>]

    /// Creates the description of a BAR.
    public init(kind: Kind, size: UInt64, isPrefetchable: Bool = false, registers: [Range<UInt64>] = []) {
        self.kind = kind
        self.size = size
        self.isPrefetchable = isPrefetchable
        self.registers = registers
    }
}

/// A place in a BAR.
public struct BARLocation: Hashable, Sendable {
    /// The number of the BAR.
    public var bar: Int
    /// The bytes from the beginning of the BAR.
    public var offset: UInt64

    /// Creates a place in a BAR.
    public init(bar: Int, offset: UInt64) {
        self.bar = bar
        self.offset = offset
    }
}

/// The structures of MSI-X (PCI 3.0, 6.8.2).
public struct MSIXDescription: Hashable, Sendable {
    /// The number of vectors, 1 to 2048.
    public var vectors: Int
    /// The place of the table, which has 16 bytes for each vector.
    public var table: BARLocation
    /// The place of the pending bits, one for each vector, in words of 64 bits.
    public var pendingBits: BARLocation

    /// Creates the description of MSI-X.
    public init(vectors: Int, table: BARLocation, pendingBits: BARLocation) {
        self.vectors = vectors
        self.table = table
        self.pendingBits = pendingBits
    }
}
