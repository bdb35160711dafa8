/// One of the registers that say where a function's memory or ports begin: a BAR (PCI 3.0, 6.2.5.1), the expansion ROM's (6.2.5.2), a
/// window of a bridge, or a BAR of all its virtual functions together (SR-IOV 1.1, 3.3.14).
///
/// Their order is the order of precedence: the BARs by number, the ROM behind them.
public enum BaseAddressRegister: Hashable, Comparable, Sendable {
    /// 0 to 5; a 64-bit BAR goes by the number of its lower half.
    case bar(Int)
    case rom
    case window(BridgeWindow)
    case virtual(Int)

    /// Where the register lies in configuration space.
    var offset: UInt64 {
        switch self {
        case .bar(let number): ConfigOffset.bars &+ 4 &* UInt64(truncatingIfNeeded: number)
        case .rom: ConfigOffset.rom
        case .window(let window): window.offset
        case .virtual: 0
        }
    }

    /// The ROM's is 7; those of windows and of virtual functions follow.
    var number: UInt8 {
        switch self {
        case .bar(let number): UInt8(truncatingIfNeeded: number)
        case .rom: 7
        case .window(let window): 8 + window.rawValue
        case .virtual(let number): 16 + UInt8(truncatingIfNeeded: number)
        }
    }

    init(number: UInt8) {
        switch number {
        case 7: self = .rom
        case 8...10: self = .window(BridgeWindow(rawValue: number - 8) ?? .ports)
        case 16...: self = .virtual(Int(number - 16))
        default: self = .bar(Int(number % 6))
        }
    }

    public static func < (left: BaseAddressRegister, right: BaseAddressRegister) -> Bool { left.number < right.number }

    /// A bit of its own for each register that a function decodes, for small sets.
    var bit: UInt8 { 1 << number }
}

extension BaseAddressRegister: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bar(let number): "BAR \(number)"
        case .rom: "ROM"
        case .window(let window): window.name
        case .virtual(let number): "VF BAR \(number)"
        }
    }
}
