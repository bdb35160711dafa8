public import Devices
public import Memslots

/// The part behind a PCI function that differs from one function to another: its registers, its memory, and the capabilities that
/// are its own.
///
/// `PCIFunction` keeps everything that functions have in common: the header of configuration space, BARs and decode, the list of
/// capabilities, MSI and MSI-X with their masks and pending bits. A model answers for the rest.
///
/// A model is a value, so that every machine has a model of its own. The machine calls the model under the function's lock, by one
/// thread at a time. A model returns what it wants as `FunctionEffects` and never calls the machine. A call may block, which holds
/// up the vCPUs that access this function, and no others.
///
/// A guest chooses every offset and value, so none of them may crash a model. All requirements but `description` have defaults: a
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
    /// The identity, BARs, ROM and capabilities of the function. They do not change while a machine has the function.
    var description: FunctionDescription { get }

    /// Returns the memory that a mapped piece of a BAR or of the ROM shows, or nil for zeroed memory of the machine's own.
    ///
    /// The machine asks once for each piece, when the machine is made. The backing must have `piece.size` bytes from its offset on.
    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing?

    /// The bytes with which the ROM begins, or nil for a ROM with just the two bytes by which software recognises a ROM. The ROM
    /// must be at least as large.
    var romImage: [UInt8]? { get }

    /// Reads `width` bytes at a trapped place, in a trapped piece of a memory BAR or in an I/O BAR.
    ///
    /// The model is not asked for MSI-X tables and pending bits. Bits of the result above the width are ignored.
    ///
    /// - Parameters:
    ///   - register: The BAR.
    ///   - offset: Bytes from the beginning of the BAR.
    mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64

    /// Takes a write of the low `width` bytes of `value` at a trapped place, `offset` bytes from the beginning of the BAR.
    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects

    /// Reads configuration space in a capability that is the model's own (`CapabilityDescription.isOwn`).
    ///
    /// - Parameter offset: Bytes from the beginning of configuration space.
    mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64

    /// Takes a write to configuration space in a capability that is the model's own.
    mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects

    /// The writes that KVM is to take itself at present, by ioeventfd. KVM takes them while the BAR is decoded and shown.
    var events: [FunctionEvent] { get }

    /// Counts writes that KVM has taken. The machine calls this before it passes the next access to the function on.
    mutating func add(count: UInt64, of event: FunctionEvent)

    /// Tells the model what software has written to the command register, for a device that has such a register of its own.
    ///
    /// If the write changes what is decoded, the model is told twice: before guest memory follows with the bits of both the old and
    /// the new value, and after that with the new value. So the device answers at all times at which guests can reach its memory.
    mutating func setCommand(_ command: UInt16)

    /// Tells the model the power state, 0 for D0 to 3 for D3hot, for a device that has a power state of its own.
    ///
    /// When the function leaves D0, the model is told after the function's memory has gone. When the function returns to D0, the
    /// model is told before the memory comes back.
    mutating func setPowerState(_ state: UInt8)

    /// Puts the model into its state after a reset.
    mutating func reset()
}

extension FunctionModel {
    /// Returns nil, so that the piece shows memory of the machine's own.
    public func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? { nil }

    /// Returns nil.
    public var romImage: [UInt8]? { nil }

    /// Returns zero. An unclaimed access, in contrast, gives all ones.
    public mutating func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 { 0 }

    /// Ignores the write.
    public mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects { .none }

    /// Returns zero.
    public mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 { 0 }

    /// Ignores the write.
    public mutating func writeConfiguration(
        _ value: UInt64, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects { .none }

    /// No writes, so that all of them exit.
    public var events: [FunctionEvent] { [] }
    /// Does nothing.
    public mutating func add(count: UInt64, of event: FunctionEvent) {}
    /// Does nothing.
    public mutating func setCommand(_ command: UInt16) {}
    /// Does nothing.
    public mutating func setPowerState(_ state: UInt8) {}
    /// Does nothing.
    public mutating func reset() {}
}

/// The requests that a function makes to the machine after an access.
public struct FunctionEffects: Hashable, Sendable {
    /// The vectors to raise, by MSI-X if software has enabled it, otherwise by MSI. While both are off, any vector raises the
    /// interrupt line.
    public var vectors: [UInt64]
    /// Whether `FunctionModel.events` may have changed.
    public var changesEvents: Bool
    /// Whether the function lowers its interrupt line. It does so before it raises vectors.
    public var lowersLine: Bool

    /// Creates effects. Without arguments there is nothing to do.
    public init(vectors: [UInt64] = [], changesEvents: Bool = false, lowersLine: Bool = false) {
        self.vectors = vectors
        self.changesEvents = changesEvents
        self.lowersLine = lowersLine
    }

    /// Nothing to do.
    public static let none = FunctionEffects()
}

/// A guest's write to a function that KVM takes itself and counts (`KVM_IOEVENTFD`).
public struct FunctionEvent: Hashable, Sendable {
    /// The BAR to which the guest writes.
    public var register: BaseAddressRegister
    /// Bytes from the beginning of the BAR, in a trapped piece or an I/O BAR.
    public var offset: UInt64
    /// The width of a write in bytes: 1, 2, 4 or 8. Writes of another width exit.
    public var size: UInt32
    /// The only value that KVM takes, or nil for any value.
    public var match: UInt64?
    /// The eventfd that KVM signals, by its number among those that the machine was given. With nil KVM signals an eventfd whose
    /// count goes to the model.
    public var descriptor: Int?

    /// Creates an event for writes of any value, unless `match` is given.
    public init(
        register: BaseAddressRegister, offset: UInt64, size: UInt32, match: UInt64? = nil, descriptor: Int? = nil
    ) {
        self.descriptor = descriptor
        self.register = register
        self.offset = offset
        self.size = size
        self.match = match
    }
}

/// A model that does what its description says, and nothing else: plain memory, registers that read as zero, and a doorbell.
public struct DescribedFunction: FunctionModel {
    /// The description of the function.
    public let description: FunctionDescription

    /// Creates a model that does what a description says.
    public init(_ description: FunctionDescription) {
        self.description = description
    }

    /// Returns the offsets of the doorbell's eight bytes if the doorbell lies in this register.
    private func doorbell(in register: BaseAddressRegister) -> Range<UInt64>? {
        guard let doorbell = description.doorbell, register == .bar(doorbell.bar) else { return nil }
        return doorbell.offset..<doorbell.offset &+ 8
    }

    /// Returns zero for every register. An access that begins before the doorbell and reaches it is not aligned and gives all ones.
    public func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let doorbell = doorbell(in: register), offset < doorbell.lowerBound else { return 0 }
        return doorbell.lowerBound - offset < UInt64(width.rawValue) ? width.allOnes : 0
    }

    /// Raises the vector whose number is written to the doorbell. A write to the doorbell's upper half lowers the interrupt line
    /// again. All other writes are ignored.
    public func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        guard let doorbell = doorbell(in: register) else { return .none }
        if offset == doorbell.lowerBound { return FunctionEffects(vectors: [width.mask(value)]) }
        return FunctionEffects(lowersLine: offset == doorbell.lowerBound &+ 4)
    }
}
