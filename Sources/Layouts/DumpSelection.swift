internal import Memslots
public import PCI

/// A user's choice of functions in a dump, and what the user knows beyond the dump.
public struct DumpSelection: Hashable, Sendable {
    /// A region of a function in the dump. The dump may not tell its size.
    public struct Place: Hashable, Sendable {
        /// The function.
        public let function: DomainAddress
        /// The region's place in the function.
        public let region: BaseAddressRegister
    }

    /// The functions to take. All are taken if the list is empty.
    public var only: [DomainAddress] = []
    /// The functions to leave out.
    public var excluded: [DomainAddress] = []
    /// The sizes of regions, in bytes.
    public var sizes: [Place: UInt64] = [:]
    /// Regions that do not exist, whatever the dump says.
    public var absent: Set<Place> = []
    /// The number of virtual functions for each function that can have them. If it is nil, there are no virtual functions, and
    /// room is kept for all of them.
    public var virtualFunctions: Int?
    /// Whether bridges are left out, so that functions of other domains share the buses of the first domain.
    public var isFlat = false
    /// Capabilities that guests find although they promise something that is missing.
    public var shown: Set<CapabilityKind> = []
    /// Other sizes of resizable BARs, in bytes.
    public var resized: [Place: UInt64] = [:]
    /// The addresses that BARs and ROMs must have.
    public var fixed: [Place: UInt64] = [:]

    /// Whether it is an error if a function has to be skipped.
    public var isComplete = false

    /// Makes a selection of everything.
    public init() {}

    /// Whether the selection takes everything, and asks for nothing else.
    public var isEverything: Bool { self == DumpSelection() }

    func takes(_ address: DomainAddress) -> Bool {
        (only.isEmpty || only.contains(address)) && !excluded.contains(address)
    }

    /// Returns the bridges among `all` that lead to chosen functions, or that the user asks for.
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

    /// Throws if the user names functions that are not among `known`.
    func checkFunctions(among known: Set<DomainAddress>) throws(LayoutError) {
        let places = Array(sizes.keys) + absent
        let unknown = Set(only + excluded + places.map(\.function)).filter { !known.contains($0) }
        guard unknown.isEmpty else {
            // The user may mean the same address in another domain.
            let similar = known.filter { function in unknown.contains { $0.function == function.function } }
            throw .unknownFunctions(unknown.sorted(), similar: similar.sorted())
        }
    }

    /// Throws if the user names a region that does not exist, or gives a size that contradicts the dump or that the region
    /// cannot have at its address.
    func checkRegions(in dump: Dump) throws(LayoutError) {
        let functions = Dictionary(uniqueKeysWithValues: dump.functions.map { ($0.address, $0) })
        let places = (Array(sizes.keys) + absent).sorted { "\($0)" < "\($1)" }
        for place in places {
            guard let region = functions[place.function]?.regions[place.region] else { throw .unknownRegion(place) }
            guard let size = sizes[place] else { continue }
            let possible = place.region == .rom ? 2048...16 << 20 : region.kind.sizes
            if let told = region.size, told.nonzeroBitCount == 1, possible.contains(told), told != size {
                throw .badSize(place, size: size, reason: "the dump tells its size, \(sizeText(told))")
            }
            // The address of a region is a multiple of its size.
            let most = region.base == 0 ? .max : max(possible.lowerBound, region.base & (0 &- region.base))
            try place.check(size, in: possible.lowerBound...min(most, possible.upperBound))
        }
    }
}

extension DumpSelection.Place {
    /// Throws if a size is not a power of two in the range of possible sizes.
    func check(_ size: UInt64, in possible: ClosedRange<UInt64>) throws(LayoutError) {
        guard size.nonzeroBitCount == 1, possible.contains(size) else {
            let (least, most) = (sizeText(possible.lowerBound), sizeText(possible.upperBound))
            throw .badSize(self, size: size, reason: "its size must be a power of two from \(least) to \(most)")
        }
    }
}

extension DumpSelection.Place: CustomStringConvertible {
    /// `01:00.0/2`, `01:00.0/rom`, and `01:00.0/vf2` for a BAR of its virtual functions.
    public var description: String {
        switch region {
        case .bar(let number): "\(function)/\(number)"
        case .virtual(let number): "\(function)/vf\(number)"
        case .rom, .window: "\(function)/rom"
        }
    }

    /// Reads the form that `description` writes.
    public init?(text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let function = DomainAddress(text: String(parts[0])) else { return nil }
        let places = BaseAddressRegister.all.map { DumpSelection.Place(function: function, region: $0) }
        guard let place = places.first(where: { "\($0)".hasSuffix("/" + parts[1]) }) else { return nil }
        self = place
    }
}
