public import Devices
import Memslots

/// A PCI function: its description, its configuration space and the state of its interrupts.
///
/// It changes nothing outside itself: what a write means comes back as data.
public struct PCIFunction: Sendable {
    public let address: FunctionAddress
    public let description: FunctionDescription
    public internal(set) var config: ConfigSpace
    var msix: MSIXTable?
    public internal(set) var testDevice: PCITestDevice?
    /// The function's memory, in order of precedence.
    private let memory: [(register: BaseAddressRegister, size: UInt64, pieces: [BARPiece])]
    /// The function's I/O BARs, in order of precedence.
    private let ports: [(register: BaseAddressRegister, size: UInt64)]

    /// The function after reset: addresses zero, decode off.
    public init(_ description: FunctionDescription, at address: FunctionAddress) throws(DescriptionError) {
        try description.validate()
        self.address = address
        self.description = description
        config = ConfigSpace(description)
        msix = description.msix.map { MSIXTable(vectors: $0.vectors) }
        testDevice = description.model == .testDevice ? PCITestDevice() : nil
        memory = description.registers.compactMap { register in
            let pieces = description.pieces(of: register)
            return pieces.isEmpty ? nil : (register, description.size(of: register) ?? 0, pieces)
        }
        ports = description.bars.filter { $0.value.kind == .io }.sorted { $0.key < $1.key }
            .map { (.bar($0.key), $0.value.size) }
    }

    /// Puts the function into the state after reset. Under lazy decode, `DecodedMemory.remove` it as well.
    public mutating func reset() {
        let isMultifunction = config.isMultifunction
        config = ConfigSpace(description)
        config.isMultifunction = isMultifunction
        msix = description.msix.map { MSIXTable(vectors: $0.vectors) }
        testDevice = description.model == .testDevice ? PCITestDevice() : nil
    }

    // MARK: Decode

    public var decodesMemory: Bool { command & CommandBits.memory != 0 }
    public var decodesPorts: Bool { command & CommandBits.ports != 0 }
    public var isBusMaster: Bool { command & CommandBits.busMaster != 0 }
    public var isROMEnabled: Bool { config[register: ConfigOffset.rom] & ConfigSpace.romEnable != 0 }

    /// Set by the bus that holds the function (PCI 3.0, 6.2.1).
    var isMultifunction: Bool {
        get { config.isMultifunction }
        set { config.isMultifunction = newValue }
    }

    /// Whether the function answers at the address in `register`.
    public func isDecoded(_ register: BaseAddressRegister) -> Bool {
        switch register {
        case .bar(let number): description.bars[number]?.kind == .io ? decodesPorts : decodesMemory
        case .rom: decodesMemory && isROMEnabled
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
        let romEnable = register == .rom && isROMEnabled ? UInt64(ConfigSpace.romEnable) : 0
        config.write(base & ~UInt64(ConfigSpace.romEnable) | romEnable, at: register.offset, width: .doubleword)
        if case .bar(let number) = register, description.bars[number]?.kind == .memory64 {
            config.write(base >> 32, at: register.offset + 4, width: .doubleword)
        }
    }

    /// Writes `base` into `register`, and switches on what lets the function answer there if `enabling`.
    mutating func place(_ register: BaseAddressRegister, at base: UInt64, enabling: Bool) {
        setBase(of: register, to: base)
        guard enabling, description.size(of: register) != nil else { return }
        var decode = CommandBits.memory
        switch register {
        case .bar(let number): if description.bars[number]?.kind == .io { decode = CommandBits.ports }
        case .rom:
            config.write(base | UInt64(ConfigSpace.romEnable), at: ConfigOffset.rom, width: .doubleword)
        }
        config.write(UInt64(command | decode), at: ConfigOffset.commandAndStatus, width: .doubleword)
    }

    /// Where the pieces of BARs and ROM lie now. A BAR whose range passes `DecodedRegion.highestAddress` has none.
    public var decodedRegions: [DecodedRegion] {
        guard decodesMemory else { return [] }
        var regions: [DecodedRegion] = []
        regions.reserveCapacity(memory.reduce(0) { $0 + $1.pieces.count })
        for (register, size, pieces) in memory where isDecoded(register) {
            let base = GuestAddress(base(of: register))
            guard let whole = GuestRange(first: base, size: size), whole.last <= DecodedRegion.highestAddress else {
                continue
            }
            let owner = BAROwner(function: address, register: register)
            regions += DecodedRegion.regions(of: owner, pieces: pieces, at: base)
        }
        return regions
    }

    /// Where the I/O BARs lie now, in order of precedence.
    var decodedPorts: [DecodedPorts.Region] {
        guard decodesPorts else { return [] }
        return ports.map { register, size in
            let base = base(of: register)
            return DecodedPorts.Region(
                owner: BAROwner(function: address, register: register), ports: base..<base &+ size)
        }
    }

    /// The memory registers that are decoded, each by its bit.
    var decodedRegisterBits: UInt8 {
        memory.reduce(0) { bits, entry in isDecoded(entry.register) ? bits | entry.register.bit : bits }
    }

    // MARK: Configuration

    /// Reads configuration space; see `ConfigSpace.read`.
    public func read(at offset: UInt64, width: AccessWidth) -> UInt64 {
        config.read(at: offset, width: width)
    }

    /// Writes configuration space and says what that changed.
    public mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> ConfigChange {
        let before = config[register: offset]
        config.write(value, at: offset, width: width)
        let changed = before ^ config[register: offset]
        return changed == 0 ? ConfigChange() : self.change(at: offset & ~3, changed)
    }

    private var command: UInt32 {
        config[register: ConfigOffset.commandAndStatus]
    }
}
