public import PCI

/// What a user wants of a dump, and what they know beyond it.
public struct DumpSelection: Sendable {
    /// A region whose size the dump may not tell.
    public struct Place: Hashable, Sendable {
        public let function: DomainAddress
        public let region: ConfigDump.Region.Place
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
    /// `01:00.0/2`, `01:00.0/rom` and, of its virtual functions, `01:00.0/vf2`.
    public var description: String {
        switch region {
        case .register(.bar(let number)): "\(function)/\(number)"
        case .register(.rom): "\(function)/rom"
        case .virtual(let number): "\(function)/vf\(number)"
        }
    }

    /// Reads what `description` writes.
    public init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let function = DomainAddress(text: String(parts[0])) else { return nil }
        let places = ConfigDump.Region.Place.all.map { DumpSelection.Place(function: function, region: $0) }
        guard let place = places.first(where: { "\($0)".hasSuffix("/" + parts[1]) }) else { return nil }
        self = place
    }
}
