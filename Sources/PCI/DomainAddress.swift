import Memslots

/// Where a function is on a machine whose PCI buses form several domains (segment groups): `0000:01:00.0`.
public struct DomainAddress: Hashable, Comparable, Sendable {
    /// Some controllers make domains beyond 16 bits.
    public let domain: UInt32
    public let function: FunctionAddress

    public init(domain: UInt32, function: FunctionAddress) {
        self.domain = domain
        self.function = function
    }

    public static func < (left: DomainAddress, right: DomainAddress) -> Bool {
        (left.domain, left.function) < (right.domain, right.function)
    }
}

extension DomainAddress: CustomStringConvertible {
    /// As `lspci` writes it: `00:04.0` in domain 0, `0001:00:04.0` in another one.
    public var description: String {
        (domain == 0 ? "" : hexadecimal(domain, digits: 4) + ":") + "\(function)"
    }
}
