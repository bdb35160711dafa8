import Memslots

/// The address of a function on a machine whose PCI buses form several domains (segment groups), such as `0000:01:00.0`.
public struct DomainAddress: Hashable, Comparable, Sendable {
    /// The number of the domain. Some controllers make domains with numbers beyond 16 bits.
    public let domain: UInt32
    /// The address of the function in its domain.
    public let function: FunctionAddress

    /// Creates the address of a function in a domain.
    public init(domain: UInt32, function: FunctionAddress) {
        self.domain = domain
        self.function = function
    }

    /// Returns whether the left address comes first: by domain, then by bus, device and function.
    public static func < (left: DomainAddress, right: DomainAddress) -> Bool {
        (left.domain, left.function) < (right.domain, right.function)
    }
}

extension DomainAddress: CustomStringConvertible {
    /// The address as `lspci` writes it: `00:04.0` in domain 0, `0001:00:04.0` in another one.
    public var description: String {
        (domain == 0 ? "" : hexadecimal(domain, digits: 4) + ":") + "\(function)"
    }
}
