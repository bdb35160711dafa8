import Devices
import Memslots

/// A PCI function: configuration space, decode and interrupts, and the model behind it.
///
/// The function changes nothing outside of itself. Each access returns what the machine has to do.
public struct PCIFunction: Sendable {
    /// The address of the function.
    public let address: FunctionAddress
    /// The part that functions with equal descriptions share.
    let shape: FunctionShape
    /// The registers of configuration space, without the bytes for which the model answers.
    public internal(set) var config: ConfigSpace
    /// The MSI-X table and the pending bits, or nil without MSI-X.
    var msix: MSIXTable?
    /// The pending vectors of an MSI capability that has no register for them.
    var hiddenPendingMSI: UInt32 = 0
    /// The number of the interrupt line to which the pin is connected, or nil if it is connected to none.
    public private(set) var lineNumber: UInt32?
    /// Whether the machine holds the interrupt line up for the function. The machine keeps this equal to `assertsLine`.
    public var isLineRaised = false
    /// Whether the function has power. A function in a slot without power is in the state after reset, reads as all ones, and drops
    /// writes.
    public var hasPower = true
    /// The model that answers for everything that functions do not have in common.
    public internal(set) var model: any FunctionModel

    /// Creates a function in the state after reset: its addresses are zero, and decode is off.
    public init(_ model: any FunctionModel, at address: FunctionAddress) throws(DescriptionError) {
        self.init(model, at: address, shape: try FunctionShape(model.description))
    }

    /// Creates a function that does what a description says and no more, in the state after reset.
    public init(_ description: FunctionDescription, at address: FunctionAddress) throws(DescriptionError) {
        try self.init(DescribedFunction(description), at: address)
    }

    /// Creates a function in the state after reset, with the shape that it shares with others of its kind.
    public init(_ model: any FunctionModel, at address: FunctionAddress, shape: FunctionShape) {
        self.address = address
        self.model = model
        self.shape = shape
        config = ConfigSpace(shape.config)
        msix = shape.description.msix.map { MSIXTable(vectors: $0.vectors) }
    }

    /// The description of the function, which does not change.
    public var description: FunctionDescription { shape.description }

    /// Puts the function into the state after reset. Under lazy decode the caller also has to remove the function from
    /// `DecodedMemory`, because its regions would stand otherwise.
    public mutating func reset() {
        resetRegisters()
        model.setCommand(0)
        model.reset()
        model.setPowerState(0)
    }

    /// Puts the registers into the state after reset, except the multifunction bit and those of a slot. The model is not told.
    mutating func resetRegisters() {
        let (isMultifunction, slot) = (isMultifunction, slotRegisters)
        config = ConfigSpace(shape.config)
        for (offset, value) in slot { config.set(value, at: offset) }
        self.isMultifunction = isMultifunction
        msix = description.msix.map { MSIXTable(vectors: $0.vectors) }
        hiddenPendingMSI = 0
    }

    /// Connects the pin to an interrupt line. Writes the line's number into configuration space for software, as firmware does.
    public mutating func connect(toLine number: UInt32) {
        lineNumber = number
        config.write(UInt64(number), at: ConfigOffset.interrupt, width: .byte)
    }

    /// Releases the model, and replaces it by one that has the description only. No access may reach the function any more.
    public mutating func forgetModel() { model = DescribedFunction(description) }

    // MARK: Decode

    /// Whether the function answers in memory, by its command register and its power state.
    public var decodesMemory: Bool { command & CommandBits.memory != 0 && powerState == 0 }
    /// Whether the function answers at ports, by its command register and its power state.
    public var decodesPorts: Bool { command & CommandBits.ports != 0 && powerState == 0 }

    /// The power state, from 0 for D0 to 3 for D3hot. A function answers outside of configuration space only in D0.
    public var powerState: UInt8 {
        shape.powerRegister.map { UInt8(truncatingIfNeeded: config[register: $0] & 3) } ?? 0
    }
    /// Whether the command register lets the function access memory by itself, which includes sending messages.
    public var isBusMaster: Bool { command & CommandBits.busMaster != 0 }
    /// Whether the ROM's register has the ROM enabled. The ROM is decoded if the function decodes memory as well.
    public var isROMEnabled: Bool { config[register: ConfigOffset.rom] & ConfigShape.romEnable != 0 }

    /// Whether the command register forbids the interrupt line.
    var isLineDisabled: Bool { command & CommandBits.interruptDisable != 0 }

    private var command: UInt32 { config[register: ConfigOffset.commandAndStatus] }

    /// Whether the header says that the device has more than one function (PCI 3.0, 6.2.1). The owner of the bus sets this, because
    /// a function does not know of others.
    public var isMultifunction: Bool {
        get { config[register: ConfigOffset.headerType] & Self.multifunction != 0 }
        set {
            let register = config[register: ConfigOffset.headerType] & ~Self.multifunction
            config.set(newValue ? register | Self.multifunction : register, at: ConfigOffset.headerType)
        }
    }

    private static let multifunction: UInt32 = 1 << 23

    /// Returns whether the function answers at the address in `register`.
    public func isDecoded(_ register: BaseAddressRegister) -> Bool {
        switch register {
        case .bar: description.bar(register)?.kind == .io ? decodesPorts : decodesMemory
        case .rom: decodesMemory && isROMEnabled
        case .window(let window): range(of: window) != nil
        case .virtual: false
        }
    }

    /// Returns the address in `register`, without its flag bits, or zero if there is no such register.
    public func base(of register: BaseAddressRegister) -> UInt64 {
        let low = UInt64(config[register: register.offset])
        guard case .bar = register else { return low & ~0x7ff }
        switch description.bar(register)?.kind {
        case nil: return 0
        case .io: return low & ~3
        case .memory32: return low & ~0xf
        case .memory64: return UInt64(config[register: register.offset + 4]) << 32 | low & ~0xf
        }
    }

    /// Writes `base` into `register` as software does. Address bits below the size of the BAR or ROM are dropped.
    public mutating func setBase(of register: BaseAddressRegister, to base: UInt64) {
        guard description.size(of: register) != nil else { return }
        let romEnable = register == .rom && isROMEnabled ? UInt64(ConfigShape.romEnable) : 0
        config.write(base & ~UInt64(ConfigShape.romEnable) | romEnable, at: register.offset, width: .doubleword)
        if description.bar(register)?.kind == .memory64 {
            config.write(base >> 32, at: register.offset + 4, width: .doubleword)
        }
    }

    /// Writes an assigned address into its register. Sets the bits with which the function then answers at the address: those of
    /// the command register, and the enable bit of a ROM.
    public mutating func place(_ assignment: AddressAssignment) {
        let register = assignment.owner.register
        var decode = CommandBits.memory
        if case .window(let window) = register {
            setWindow(window, base: assignment.base, size: assignment.size)
            decode = CommandBits.busMaster | (window == .ports ? CommandBits.ports : CommandBits.memory)
        } else {
            setBase(of: register, to: assignment.base)
            guard description.size(of: register) != nil else { return }
        }
        if description.bar(register)?.kind == .io { decode = CommandBits.ports }
        if register == .rom {
            let enabled = assignment.base | UInt64(ConfigShape.romEnable)
            config.write(enabled, at: ConfigOffset.rom, width: .doubleword)
        }
        config.write(UInt64(command | decode), at: ConfigOffset.commandAndStatus, width: .doubleword)
        model.setCommand(UInt16(truncatingIfNeeded: command))
    }

    /// The regions of BARs and ROM that the function decodes now by itself. A BAR whose range passes `DecodedRegion.highestAddress`
    /// has none.
    public var decodedRegions: [DecodedRegion] {
        guard decodesMemory else { return [] }
        var regions: [DecodedRegion] = []
        regions.reserveCapacity(shape.pieceCount)
        for (register, size, pieces) in shape.memory where register != .rom || isROMEnabled {
            let base = GuestAddress(base(of: register))
            guard let whole = GuestRange(first: base, size: size), whole.last <= DecodedRegion.highestAddress else {
                continue
            }
            let owner = BAROwner(function: address, register: register)
            DecodedRegion.append(to: &regions, of: owner, pieces: pieces, at: base)
        }
        return regions
    }

    /// The I/O BARs that the function decodes now by itself, in order of precedence.
    var decodedPorts: [DecodedPorts.Region] {
        guard decodesPorts else { return [] }
        return shape.ports.map { register, size in
            let base = base(of: register)
            return DecodedPorts.Region(
                owner: BAROwner(function: address, register: register), ports: base..<base &+ size)
        }
    }

    /// The memory BARs and the ROM that are decoded, each by its `bit`.
    var decodedRegisterBits: UInt8 {
        shape.memory.reduce(0) { bits, entry in isDecoded(entry.register) ? bits | entry.register.bit : bits }
    }
}

/// The part of functions that all functions with equal descriptions share.
public final class FunctionShape: Sendable {
    /// The description that the functions have.
    public let description: FunctionDescription
    /// The registers in configuration space.
    let config: ConfigShape
    /// The memory BARs and the ROM, in order of precedence.
    public let memory: [(register: BaseAddressRegister, size: UInt64, pieces: [BARPiece])]
    /// The I/O BARs, in order of precedence.
    let ports: [(register: BaseAddressRegister, size: UInt64)]
    /// The MSI-X table and the pending bits.
    let msixParts: [DescriptionPart]
    /// The parts of configuration space that the model answers for.
    let own: [Range<UInt64>]
    /// The number of pieces of all memory BARs and the ROM.
    let pieceCount: Int
    /// The offset of the register with the power state, or nil if there is none.
    let powerRegister: UInt64?
    /// The bits that reset the function when software sets them, by their registers.
    let resetBits: [UInt64: UInt32]
    /// The offset of the capability that has the registers of a port's slot, or nil without a slot.
    let slot: UInt64?

    /// Creates the shape of a description, or throws the reason why no function can be made from the description.
    public init(_ description: FunctionDescription) throws(DescriptionError) {
        try description.validate()
        self.description = description
        config = ConfigShape(description)
        memory = description.registers.compactMap { register in
            let pieces = description.pieces(of: register)
            return pieces.isEmpty ? nil : (register, description.size(of: register) ?? 0, pieces)
        }
        ports = description.bars.filter { $0.value.kind == .io }.sorted { $0.key < $1.key }
            .map { (.bar($0.key), $0.value.size) }
        msixParts = description.parts.filter { $0.name != .doorbell }
        own =
            description.recording?.own
            ?? description.capabilities.filter(\.isOwn).map { $0.offset + $0.headerSize..<$0.offset + $0.size }
        pieceCount = memory.reduce(0) { $0 + $1.pieces.count }
        powerRegister = description.recording?.powerRegister
        resetBits = description.recording?.resetBits ?? [:]
        slot = description.slotCapability
    }
}
