public import Memslots

/// The owner of a piece of guest memory: a function and one of its base address registers.
///
/// The order of owners is the order of precedence if two of them claim the same addresses: segment, bus, device, function,
/// register.
public struct BAROwner: Hashable, Comparable, Sendable {
    /// The segment, the requester ID, and the number of the register in the low byte. One small integer suffices for machines with
    /// thousands of owners, and its order is the order of precedence.
    private let key: UInt32

    /// Creates the owner of a register. A BAR must have a number from 0 to 5, as in valid descriptions.
    public init(function: FunctionAddress, register: BaseAddressRegister) {
        precondition(
            BaseAddressRegister(number: register.number) == register, "\(register) is no register of a function")
        key = UInt32(function.segment) << 24 | UInt32(function.requesterID) << 8 | UInt32(register.number)
    }

    /// The function that has the register.
    public var function: FunctionAddress {
        FunctionAddress(requesterID: UInt16(truncatingIfNeeded: key >> 8), segment: UInt8(key >> 24))
    }

    /// The register, which says which BAR or ROM the owner is.
    public var register: BaseAddressRegister {
        BaseAddressRegister(number: UInt8(truncatingIfNeeded: key))
    }

    /// The owner in the form that mappings have. Only BARs and ROMs are mapped.
    public var mappingOwner: MappingOwner {
        guard case .bar(let number) = register else {
            return .rom(segment: function.segment, function: function.requesterID)
        }
        return .bar(
            segment: function.segment, function: function.requesterID, number: UInt8(truncatingIfNeeded: number))
    }

    /// Returns whether the left owner has precedence.
    public static func < (left: BAROwner, right: BAROwner) -> Bool {
        left.key < right.key
    }
}

extension BAROwner: CustomStringConvertible {
    /// The owner in words, such as `00:04.0 BAR 2` or `00:04.0 ROM`.
    public var description: String {
        "\(function) \(register)"
    }
}
