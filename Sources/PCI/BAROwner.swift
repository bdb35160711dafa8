public import Memslots

/// Whose a piece of guest memory is: a function and one of its base address registers.
///
/// Their order is the order of precedence where two claim the same addresses: segment, bus, device, function, register.
public struct BAROwner: Hashable, Comparable, Sendable {
    /// The segment, the requester ID, and the register in the low byte: small, for machines have thousands, and in the order of
    /// precedence.
    private let key: UInt32

    /// The register is no BAR but one of BARs 0 to 5, as those of valid descriptions are.
    public init(function: FunctionAddress, register: BaseAddressRegister) {
        precondition(
            BaseAddressRegister(number: register.number) == register, "\(register) is no register of a function")
        key = UInt32(function.segment) << 24 | UInt32(function.requesterID) << 8 | UInt32(register.number)
    }

    public var function: FunctionAddress {
        FunctionAddress(requesterID: UInt16(truncatingIfNeeded: key >> 8), segment: UInt8(key >> 24))
    }

    public var register: BaseAddressRegister {
        BaseAddressRegister(number: UInt8(truncatingIfNeeded: key))
    }

    /// The owner as mappings have it. Nothing but a BAR or a ROM is mapped.
    public var mappingOwner: MappingOwner {
        guard case .bar(let number) = register else {
            return .rom(segment: function.segment, function: function.requesterID)
        }
        return .bar(
            segment: function.segment, function: function.requesterID, number: UInt8(truncatingIfNeeded: number))
    }

    public static func < (left: BAROwner, right: BAROwner) -> Bool {
        left.key < right.key
    }
}

extension BAROwner: CustomStringConvertible {
    /// `00:04.0 BAR 2`, `00:04.0 ROM`: the owner of the mapping.
    public var description: String {
        "\(function) \(register)"
    }
}
