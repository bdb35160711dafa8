/// A register that says where memory or ports of a function begin: a BAR (PCI 3.0, 6.2.5.1), the register of the expansion ROM
/// (6.2.5.2), a window of a bridge, or a BAR of all virtual functions together (SR-IOV 1.1, 3.3.14).
///
/// The order of registers is the order of precedence: the BARs by number, and after them the ROM.
public enum BaseAddressRegister: Hashable, Comparable, Sendable {
    /// A BAR by its number, 0 to 5. A 64-bit BAR has the number of its lower half.
    case bar(Int)
    /// The register of the expansion ROM.
    case rom
    /// A window of a bridge.
    case window(BridgeWindow)
    /// A BAR of all virtual functions together, by its number.
    case virtual(Int)

    /// The offset of the register in configuration space.
    var offset: UInt64 {
        switch self {
        case .bar(let number): ConfigOffset.bars &+ 4 &* UInt64(truncatingIfNeeded: number)
        case .rom: ConfigOffset.rom
        case .window(let window): window.offset
        case .virtual: 0
        }
    }

    /// The place of the register in the order of precedence. BARs have their own numbers, and the ROM has 7. Windows have numbers
    /// from 8 on, and the BARs of virtual functions from 16 on.
    var number: UInt8 {
        switch self {
        case .bar(let number): UInt8(truncatingIfNeeded: number)
        case .rom: 7
        case .window(let window): 8 + window.rawValue
        case .virtual(let number): 16 + UInt8(truncatingIfNeeded: number)
        }
    }

    /// Creates the register that has a `number`.
    init(number: UInt8) {
        switch number {
        case 7: self = .rom
        case 8...10: self = .window(BridgeWindow(rawValue: number - 8) ?? .ports)
        case 16...: self = .virtual(Int(number - 16))
        default: self = .bar(Int(number % 6))
        }
    }

    /// Returns whether the left register has precedence.
    public static func < (left: BaseAddressRegister, right: BaseAddressRegister) -> Bool { left.number < right.number }

    /// The bit of the register in a set. A byte holds such a set, with a bit for each BAR and one for the ROM.
    var bit: UInt8 { 1 << number }
}

extension BaseAddressRegister: CustomStringConvertible {
    /// The register in words: `BAR 2`, `ROM`, `I/O window` or `VF BAR 0`.
    public var description: String {
        switch self {
        case .bar(let number): "BAR \(number)"
        case .rom: "ROM"
        case .window(let window): window.name
        case .virtual(let number): "VF BAR \(number)"
        }
    }
}
