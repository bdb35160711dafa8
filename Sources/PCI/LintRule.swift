internal import Memslots

/// A rule for software that uses PCI functions. Software that breaks the rule may work here, but not on other machines.
public enum LintRule: String, CaseIterable, Sendable {
    /// A BAR was sized while the function decoded it. Meanwhile the BAR's memory or ports were decoded elsewhere.
    case sizingWithDecodeOn
    /// The lower half of a 64-bit BAR was sized, but not the upper half.
    case upperHalfNotSized
    /// A BAR is decoded while it still holds what was written in order to size it.
    case barNotRestored
    /// The low bits of a BAR, which tell its kind, were taken for address bits.
    case lowBitsOfBAR
    /// A BAR is decoded where no BAR can lie.
    case outsideAperture
    /// A BAR is decoded where RAM is.
    case overRAM
    /// A BAR is decoded where another one is.
    case overlap
    /// An access to a BAR while the function does not decode it.
    case accessWithDecodeOff
    /// MSI-X was switched on before anything was written to its table.
    case msixTableNotWritten
    /// An access to the MSI-X table that is not an aligned doubleword or quadword.
    case msixTableWidth
    /// A vector of MSI-X was unmasked while the address of its message was 0.
    case msixAddressZero
    /// The data of MSI has low bits that the function uses for the numbers of its vectors.
    case msiDataMisaligned
    /// Interrupts by message are on, but the function may not send any, because bus master is off.
    case notBusMaster
    /// Another value was written to a register that software cannot change.
    case readOnlyRegister

    /// The rule in words: what is wrong, and what would be right.
    public var words: String {
        switch self {
        case .sizingWithDecodeOn: "sized while decode is on: switch decode off first"
        case .upperHalfNotSized:
            "the lower half of a 64-bit BAR was sized and the upper half was not: write all ones to both"
        case .barNotRestored: "decode is on while the BAR holds all ones of sizing: write the address back first"
        case .lowBitsOfBAR:
            "the low bits of the BAR, which tell its kind, were used as address bits: clear 4 bits for memory, 2 for ports"
        case .outsideAperture: "decoded outside of the ranges for BARs"
        case .overRAM: "decoded where RAM is, which hides it"
        case .overlap: "decoded where another BAR is"
        case .accessWithDecodeOff:
            "access to the BAR while its decode is off: switch it on in the command register first"
        case .msixTableNotWritten:
            "MSI-X switched on before its table was written: write the entries first, or mask the function"
        case .msixTableWidth: "access to the MSI-X table that is neither an aligned doubleword nor an aligned quadword"
        case .msixAddressZero: "vector unmasked with message address 0: write the address first"
        case .msiDataMisaligned:
            "message data with low bits set where the function puts the number of the vector: leave these bits 0"
        case .notBusMaster: "interrupts by message are on and bus mastering is off: no message can be sent"
        case .readOnlyRegister: "write of another value to a read-only register"
        }
    }

    /// The specification and its section.
    public var section: String {
        switch self {
        case .sizingWithDecodeOn, .upperHalfNotSized, .barNotRestored, .lowBitsOfBAR: "PCI 3.0, 6.2.5.1"
        case .outsideAperture, .overRAM, .overlap: "PCI 3.0, 6.2.5"
        case .accessWithDecodeOff, .notBusMaster: "PCI 3.0, 6.2.2"
        case .msixTableNotWritten, .msixTableWidth: "PCI 3.0, 6.8.2"
        case .msixAddressZero: "PCI 3.0, 6.8.2.7"
        case .msiDataMisaligned: "PCI 3.0, 6.8.1.6"
        case .readOnlyRegister: "PCI 3.0, 6.1"
        }
    }
}

/// A rule that software has broken.
public struct LintFinding: Hashable, Sendable {
    /// The function that was accessed, or whose BAR an unclaimed access was meant for.
    public let function: FunctionAddress
    /// The offset of the register in configuration space. If the rule is about a BAR, this is the BAR's register.
    public let register: UInt64
    /// The rule that is broken.
    public let rule: LintRule
}

extension LintFinding: CustomStringConvertible {
    /// The function, the register, and the rule with its words and section.
    public var description: String {
        "\(function) register \(hexadecimal(register)): \(rule.rawValue): \(rule.words) (\(rule.section))"
    }
}
