public import Devices
public import Memslots

/// What stands behind a PCI function: its registers, its memory, and its own part of configuration space.
///
/// Everything that functions have in common is kept by `PCIFunction`: the header of configuration space, BARs and decode, the
/// list of capabilities, MSI and MSI-X with their masks and pending bits. A model answers for the rest. It is a value, so that
/// every machine has a model of its own; the machine calls it under the function's lock, by one thread at a time. A model states
/// what it wants as `FunctionEffects` and never calls back. It may block: that holds up the vCPU that asked it, and nobody else.
///
/// A guest chooses every offset and value, so no model may trap on one. All requirements but `description` have defaults: a
/// model of plain memory needs nothing else.
///
///     struct Counter: FunctionModel {
///         let description = FunctionDescription(
///             vendorID: 0x1af4, deviceID: 0x10f0, bars: [0: BARDescription(kind: .memory32, size: 256)])
///         var count: UInt64 = 0
///
///         mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
///             count += 1
///             return count
///         }
///     }
public protocol FunctionModel: Sendable {
    /// Identity, BARs, ROM and capabilities of the function. They do not change while a machine has the function.
    var description: FunctionDescription { get }

    /// The memory that a mapped piece of a BAR or of the ROM shows, or nil for zeroed memory of the machine's own.
    ///
    /// `piece.size` bytes from the backing's offset on have to lie in the backing.
    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing?

    /// Reads `width` bytes at a place that is trapped: in a trapped piece of a memory BAR, or in an I/O BAR. MSI-X tables and
    /// pending bits are not asked of the model.
    ///
    /// - Parameter offset: bytes from the beginning of the BAR.
    mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64

    /// Takes a write of the low `width` bytes of `value` at a place that is trapped.
    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects

    /// Reads configuration space in a capability that is the model's own (`CapabilityDescription.isOwn`).
    mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64

    /// Takes a write to configuration space in a capability that is the model's own.
    mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects

    /// The writes that KVM shall take itself at present, by ioeventfd. They take effect where the BAR is decoded.
    var events: [FunctionEvent] { get }

    /// Counts writes that KVM has taken. The machine calls this before the guest's next access to the function.
    mutating func add(count: UInt64, of event: FunctionEvent)

    /// Puts the model into its state after a reset.
    mutating func reset()
}

extension FunctionModel {
    public func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? { nil }

    /// Reads as zero, unlike an address where nobody answers.
    public mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 { 0 }

    /// Ignores the write.
    public mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects { .none }

    public mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 { 0 }

    public mutating func writeConfiguration(
        _ value: UInt64, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects { .none }

    public var events: [FunctionEvent] { [] }
    public mutating func add(count: UInt64, of event: FunctionEvent) {}
    public mutating func reset() {}
}

/// What a function asks of the machine after an access.
public struct FunctionEffects: Hashable, Sendable {
    /// The vectors to raise, by MSI-X where software has enabled that, else by MSI.
    public var vectors: [UInt64]
    /// Whether `FunctionModel.events` may be other than before.
    public var changesEvents: Bool

    public init(vectors: [UInt64] = [], changesEvents: Bool = false) {
        self.vectors = vectors
        self.changesEvents = changesEvents
    }

    /// Nothing to do.
    public static let none = FunctionEffects()
}

/// A guest's write to a function that KVM takes itself and counts (`KVM_IOEVENTFD`).
public struct FunctionEvent: Hashable, Sendable {
    public var register: BaseAddressRegister
    /// Bytes from the beginning of the BAR, in a trapped piece or an I/O BAR.
    public var offset: UInt64
    /// Bytes of the write: 1, 2, 4 or 8.
    public var size: UInt32
    /// The only value that is taken, or nil for any.
    public var match: UInt64?

    public init(register: BaseAddressRegister, offset: UInt64, size: UInt32, match: UInt64? = nil) {
        self.register = register
        self.offset = offset
        self.size = size
        self.match = match
    }
}

/// A function that a description says all about: plain memory, registers that read as zero, and a doorbell.
public struct DescribedFunction: FunctionModel {
    public let description: FunctionDescription

    public init(_ description: FunctionDescription) {
        self.description = description
    }

    /// The doorbell's eight bytes, where it lies in this register.
    private func doorbell(in register: BaseAddressRegister) -> Range<UInt64>? {
        guard let doorbell = description.doorbell, register == .bar(doorbell.bar) else { return nil }
        return doorbell.offset..<doorbell.offset &+ 8
    }

    /// Registers that are nothing in particular read as zero. An access that begins before the doorbell and reaches it is not
    /// aligned and reads as ones.
    public func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let doorbell = doorbell(in: register), offset < doorbell.lowerBound else { return 0 }
        return doorbell.lowerBound - offset < UInt64(width.rawValue) ? width.allOnes : 0
    }

    /// The doorbell raises the vector whose number is written to it.
    public func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        guard offset == doorbell(in: register)?.lowerBound else { return .none }
        return FunctionEffects(vectors: [width.mask(value)])
    }
}
