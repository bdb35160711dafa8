/// Whose a piece of guest memory is: a function and one of its base address registers.
///
/// Their order is the order of precedence where two claim the same addresses: bus, device, function, register.
public struct BAROwner: Hashable, Comparable, Sendable {
    public let function: FunctionAddress
    public let register: BaseAddressRegister

    public init(function: FunctionAddress, register: BaseAddressRegister) {
        self.function = function
        self.register = register
    }

    public static func < (left: BAROwner, right: BAROwner) -> Bool {
        left.function != right.function ? left.function < right.function : left.register < right.register
    }
}

extension BAROwner: CustomStringConvertible {
    /// `00:04.0 BAR 2`, `00:04.0 ROM`: the owner of the mapping.
    public var description: String {
        "\(function) \(register)"
    }
}
