public import PCI

/// What a user wants of a dump, and what they know beyond it.
public struct DumpSelection: Sendable {
    /// A region whose size the dump may not tell.
    public struct Place: Hashable, Sendable {
        public enum Region: Hashable, Sendable {
            case register(BaseAddressRegister)
            /// A BAR of each virtual function.
            case virtual(Int)
        }

        public let function: DomainAddress
        public let region: Region

        public init(function: DomainAddress, region: Region) {
            self.function = function
            self.region = region
        }

        /// Reads `01:00.0/2`, `01:00.0/rom` and, of its virtual functions, `01:00.0/vf2`.
        public init?(text: String) {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let function = DomainAddress(text: String(parts[0])) else { return nil }
            self.function = function
            if parts[1] == "rom" {
                region = .register(.rom)
            } else if let number = Int(parts[1]), (0..<6).contains(number) {
                region = .register(.bar(number))
            } else if parts[1].hasPrefix("vf"), let number = Int(parts[1].dropFirst(2)), (0..<6).contains(number) {
                region = .virtual(number)
            } else {
                return nil
            }
        }
    }

    /// These functions only; all where it is empty.
    public var only: [DomainAddress] = []
    public var excluded: [DomainAddress] = []
    /// Bytes.
    public var sizes: [Place: UInt64] = [:]
    /// How many virtual functions of each function that can have them.
    public var virtualFunctions = 0

    public init() {}

    /// Whether nothing is asked for.
    public var isEverything: Bool {
        only.isEmpty && excluded.isEmpty && sizes.isEmpty && virtualFunctions == 0
    }

    func takes(_ address: DomainAddress) -> Bool {
        (only.isEmpty || only.contains(address)) && !excluded.contains(address)
    }

    /// The addresses asked for that are not among `known`.
    func unknown(among known: Set<DomainAddress>) -> [DomainAddress] {
        (only + excluded + sizes.keys.map(\.function)).filter { !known.contains($0) }
    }
}

extension DumpSelection.Place: CustomStringConvertible {
    public var description: String {
        switch region {
        case .register(.bar(let number)): "\(function)/\(number)"
        case .register(.rom): "\(function)/rom"
        case .virtual(let number): "\(function)/vf\(number)"
        }
    }
}
