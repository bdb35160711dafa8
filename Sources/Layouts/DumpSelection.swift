internal import Memslots
public import PCI

/// What a user wants of a dump, and what they know beyond it.
public struct DumpSelection: Hashable, Sendable {
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
    /// Regions that are not there, whatever the dump says.
    public var absent: Set<Place> = []
    /// How many virtual functions of each function that can have them. If it is nil there are none, and room is kept for all.
    public var virtualFunctions: Int?
    /// Whether bridges are left out, and functions of other domains share the buses of the first.
    public var isFlat = false
    /// Capabilities that guests find although they promise what is not there.
    public var shown: Set<CapabilityKind> = []
    /// Other sizes of BARs that can be resized.
    public var resized: [Place: UInt64] = [:]
    /// The addresses that BARs and ROMs are to have.
    public var fixed: [Place: UInt64] = [:]

    /// Whether it is an error if a function has to be skipped.
    public var isComplete = false

    public init() {}

    /// Whether nothing is asked for.
    public var isEverything: Bool { self == DumpSelection() }

    func takes(_ address: DomainAddress) -> Bool {
        (only.isEmpty || only.contains(address)) && !excluded.contains(address)
    }

    /// The bridges among all that lead to chosen functions or are asked for.
    func bridges(_ all: [Layout.Function], to chosen: [Layout.Function]) -> [Layout.Function] {
        all.filter { bridge in
            let (source, description) = (bridge.source, bridge.description.bridge)
            return takes(source)
                || !excluded.contains(source)
                    && chosen.contains {
                        $0.source.domain == source.domain && description?.leads(to: $0.source.function.bus) == true
                    }
        }
    }

    /// Throws if functions are asked for that are not among `known`.
    func checkFunctions(among known: Set<DomainAddress>) throws(LayoutError) {
        let places = Array(sizes.keys) + absent
        let unknown = Set(only + excluded + places.map(\.function)).filter { !known.contains($0) }
        guard unknown.isEmpty else {
            // The same place on another domain may be meant.
            let similar = known.filter { function in unknown.contains { $0.function == function.function } }
            throw .unknownFunctions(unknown.sorted(), similar: similar.sorted())
        }
    }

    /// Throws if sizes are given of regions that there are not, whose sizes the dump tells, or that regions cannot have where they are.
    func checkRegions(in dump: Dump) throws(LayoutError) {
        let functions = Dictionary(uniqueKeysWithValues: dump.functions.map { ($0.address, $0) })
        let places = (Array(sizes.keys) + absent).sorted { "\($0)" < "\($1)" }
        for place in places {
            guard let region = functions[place.function]?.regions[place.region] else { throw .unknownRegion(place) }
            guard let size = sizes[place] else { continue }
            let possible = place.region == .register(.rom) ? 2048...16 << 20 : region.kind.sizes
            if let told = region.size, told.nonzeroBitCount == 1, possible.contains(told), told != size {
                throw .badSize(place, size: size, reason: "the dump tells its size, \(hexadecimal(told))")
            }
            // Its address is a multiple of its size.
            let most = region.base == 0 ? .max : max(possible.lowerBound, region.base & (0 &- region.base))
            try place.check(size, in: possible.lowerBound...min(most, possible.upperBound))
        }
    }
}

extension DumpSelection.Place {
    /// Throws if a size is no power of two among those that are possible.
    func check(_ size: UInt64, in possible: ClosedRange<UInt64>) throws(LayoutError) {
        guard size.nonzeroBitCount == 1, possible.contains(size) else {
            let (least, most) = (hexadecimal(possible.lowerBound), hexadecimal(possible.upperBound))
            throw .badSize(self, size: size, reason: "it has a power of two from \(least) to \(most)")
        }
    }
}

extension DumpSelection.Place: CustomStringConvertible {
    /// `01:00.0/2`, `01:00.0/rom` and, of its virtual functions, `01:00.0/vf2`.
    public var description: String {
        switch region {
        case .register(.bar(let number)): "\(function)/\(number)"
        case .virtual(let number), .register(.virtual(let number)): "\(function)/vf\(number)"
        case .register: "\(function)/rom"
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
