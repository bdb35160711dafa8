/// One of the registers that say where a function's memory or ports begin: a BAR (PCI 3.0, 6.2.5.1) or the expansion ROM's
/// (6.2.5.2).
///
/// Their order is the order of precedence: the BARs by number, the ROM last.
public enum BaseAddressRegister: Hashable, Comparable, Sendable {
    /// 0 to 5; a 64-bit BAR goes by the number of its lower half.
    case bar(Int)
    case rom

    /// Where the register lies in configuration space.
    var offset: UInt64 {
        switch self {
        case .bar(let number): ConfigOffset.bars &+ 4 &* UInt64(truncatingIfNeeded: number)
        case .rom: ConfigOffset.rom
        }
    }

    /// The ROM's is 7.
    var number: UInt8 {
        switch self {
        case .bar(let number): UInt8(truncatingIfNeeded: number)
        case .rom: 7
        }
    }

    init(number: UInt8) {
        self = number == 7 ? .rom : .bar(Int(number))
    }

    /// A bit of its own for each register, for small sets.
    var bit: UInt8 { 1 << number }
}

extension BaseAddressRegister: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bar(let number): "BAR \(number)"
        case .rom: "ROM"
        }
    }
}
