import Devices
import Memslots

/// A PCI function: configuration space, decode and interrupts, and the model behind it.
///
/// It changes nothing outside itself: what an access leads to comes back as a value.
public struct PCIFunction: Sendable {
    public let address: FunctionAddress
    let shape: FunctionShape
    public internal(set) var config: ConfigSpace
    var msix: MSIXTable?
    /// The pending vectors of an MSI capability that does not show them.
    var hiddenPendingMSI: UInt32 = 0
    /// The number of the interrupt line that the pin raises, or nil if it raises none.
    public private(set) var lineNumber: UInt32?
    /// Whether the machine holds the line up for the function. The machine keeps it equal to `assertsLine`.
    public var isLineRaised = false
    /// Whether the function has power. One in a slot without power is as after reset, reads as all ones, and drops writes.
    public var hasPower = true
    public internal(set) var model: any FunctionModel

    /// The function after reset: addresses zero, decode off.
    public init(_ model: any FunctionModel, at address: FunctionAddress) throws(DescriptionError) {
        self.init(model, at: address, shape: try FunctionShape(model.description))
    }

    public init(_ description: FunctionDescription, at address: FunctionAddress) throws(DescriptionError) {
        try self.init(DescribedFunction(description), at: address)
    }

    /// The function after reset, with what it shares with others of its kind.
    public init(_ model: any FunctionModel, at address: FunctionAddress, shape: FunctionShape) {
        self.address = address
        self.model = model
        self.shape = shape
        config = ConfigSpace(shape.config)
        msix = shape.description.msix.map { MSIXTable(vectors: $0.vectors) }
    }

    public var description: FunctionDescription { shape.description }

    /// Puts the function into the state after reset. Under lazy decode, `DecodedMemory.remove` it as well.
    public mutating func reset() {
        resetRegisters()
        model.setCommand(0)
        model.reset()
        model.setPowerState(0)
    }

    mutating func resetRegisters() {
        let (isMultifunction, slot) = (isMultifunction, slotRegisters)
        config = ConfigSpace(shape.config)
        for (offset, value) in slot { config.set(value, at: offset) }
        self.isMultifunction = isMultifunction
        msix = description.msix.map { MSIXTable(vectors: $0.vectors) }
        hiddenPendingMSI = 0
    }

    /// Connects the pin to an interrupt line, and tells software the number as firmware does.
    public mutating func connect(toLine number: UInt32) {
        lineNumber = number
        config.write(UInt64(number), at: ConfigOffset.interrupt, width: .byte)
    }

    /// Puts an empty model into the place of the function's own, for a function that nobody asks any more.
    public mutating func forgetModel() { model = DescribedFunction(description) }

    // MARK: Decode

    public var decodesMemory: Bool { command & CommandBits.memory != 0 && powerState == 0 }
    public var decodesPorts: Bool { command & CommandBits.ports != 0 && powerState == 0 }

    /// The power state, from 0 for D0 to 3 for D3hot. Only in D0 a function answers outside of configuration space.
    public var powerState: UInt8 {
        shape.powerRegister.map { UInt8(truncatingIfNeeded: config[register: $0] & 3) } ?? 0
    }
    public var isBusMaster: Bool { command & CommandBits.busMaster != 0 }
    public var isROMEnabled: Bool { config[register: ConfigOffset.rom] & ConfigShape.romEnable != 0 }

    var isLineDisabled: Bool { command & CommandBits.interruptDisable != 0 }

    private var command: UInt32 { config[register: ConfigOffset.commandAndStatus] }

    /// Whether the device has more than one function; the bus that holds the function says so (PCI 3.0, 6.2.1).
    public var isMultifunction: Bool {
        get { config[register: ConfigOffset.headerType] & Self.multifunction != 0 }
        set {
            let register = config[register: ConfigOffset.headerType] & ~Self.multifunction
            config.set(newValue ? register | Self.multifunction : register, at: ConfigOffset.headerType)
        }
    }

    private static let multifunction: UInt32 = 1 << 23

    /// Whether the function answers at the address in `register`.
    public func isDecoded(_ register: BaseAddressRegister) -> Bool {
        switch register {
        case .bar(let number): description.bars[number]?.kind == .io ? decodesPorts : decodesMemory
        case .rom: decodesMemory && isROMEnabled
        case .window(let window): range(of: window) != nil
        case .virtual: false
        }
    }

    /// The address in `register`, without its flag bits; zero where there is no such register.
    public func base(of register: BaseAddressRegister) -> UInt64 {
        let low = UInt64(config[register: register.offset])
        guard case .bar(let number) = register else { return low & ~0x7ff }
        switch description.bars[number]?.kind {
        case nil: return 0
        case .io: return low & ~3
        case .memory32: return low & ~0xf
        case .memory64: return UInt64(config[register: register.offset + 4]) << 32 | low & ~0xf
        }
    }

    /// Writes `base` into `register` as software does; bits below its size fall away.
    public mutating func setBase(of register: BaseAddressRegister, to base: UInt64) {
        guard description.size(of: register) != nil else { return }
        let romEnable = register == .rom && isROMEnabled ? UInt64(ConfigShape.romEnable) : 0
        config.write(base & ~UInt64(ConfigShape.romEnable) | romEnable, at: register.offset, width: .doubleword)
        if case .bar(let number) = register, description.bars[number]?.kind == .memory64 {
            config.write(base >> 32, at: register.offset + 4, width: .doubleword)
        }
    }

    /// Writes an address into the register that it was assigned to, and switches on what lets the function answer there.
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
        if case .bar(let number) = register, description.bars[number]?.kind == .io { decode = CommandBits.ports }
        if register == .rom {
            let enabled = assignment.base | UInt64(ConfigShape.romEnable)
            config.write(enabled, at: ConfigOffset.rom, width: .doubleword)
        }
        config.write(UInt64(command | decode), at: ConfigOffset.commandAndStatus, width: .doubleword)
        model.setCommand(UInt16(truncatingIfNeeded: command))
    }

    /// Where the pieces of BARs and ROM lie now. A BAR whose range passes `DecodedRegion.highestAddress` has none.
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

    /// Where the I/O BARs lie now, in order of precedence.
    var decodedPorts: [DecodedPorts.Region] {
        guard decodesPorts else { return [] }
        return shape.ports.map { register, size in
            let base = base(of: register)
            return DecodedPorts.Region(
                owner: BAROwner(function: address, register: register), ports: base..<base &+ size)
        }
    }

    /// The memory registers that are decoded, each by its bit.
    var decodedRegisterBits: UInt8 {
        shape.memory.reduce(0) { bits, entry in isDecoded(entry.register) ? bits | entry.register.bit : bits }
    }
}

/// What functions of one kind have in common.
public final class FunctionShape: Sendable {
    public let description: FunctionDescription
    let config: ConfigShape
    /// The memory BARs and the ROM, in order of precedence.
    public let memory: [(register: BaseAddressRegister, size: UInt64, pieces: [BARPiece])]
    /// The I/O BARs, in order of precedence.
    let ports: [(register: BaseAddressRegister, size: UInt64)]
    /// The MSI-X table and the pending bits.
    let msixParts: [DescriptionPart]
    /// The parts of configuration space that the model answers for.
    let own: [Range<UInt64>]
    let pieceCount: Int
    /// The register with the power state, and the bits that reset the function, by their registers.
    let powerRegister: UInt64?
    let resetBits: [UInt64: UInt32]
    /// Where the capability lies that has the registers of a slot.
    let slot: UInt64?

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
