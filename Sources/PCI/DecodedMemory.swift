public import Devices
public import Memslots

/// What all functions together decode in guest memory: disjoint regions, each with its owner.
///
/// Who wins where two claim the same addresses: the reserved ranges, which are RAM and what the host cannot map, win over
/// all. Among functions the lower bus, device, function and BAR wins, the ROM comes last. A region that overlaps one that has
/// won is hidden whole, and appears once the way is free.
///
/// With strict decode the regions depend on the present state of the functions only. With lazy decode a mapped region whose
/// decode went off stands behind all these: it stays until one that is decoded overlaps it.
public struct DecodedMemory: Sendable {
    /// The difference that an update makes, each list in address order; a region that stays is in neither.
    public struct Change: Hashable, Sendable {
        public var removed: [DecodedRegion] = []
        public var added: [DecodedRegion] = []

        public var isEmpty: Bool { removed.isEmpty && added.isEmpty }
    }

    /// What a function decodes, whether it shows or is hidden.
    struct Claims: Sendable {
        /// In order of precedence, none in a reserved range.
        var regions: [DecodedRegion]
        var decodedRegisterBits: UInt8

        /// Whether a region may stand because its register is not decoded now.
        func letsStand(_ region: DecodedRegion) -> Bool {
            region.kind == .mapped && decodedRegisterBits & region.owner.register.bit == 0
        }
    }

    public let policy: DecodePolicy
    /// The ranges that no BAR can have.
    public let reserved: [GuestRange]
    /// Regions that are decoded but lie on others. While there are any, an update costs as much as all regions together.
    public internal(set) var hiddenCount = 0

    var claims: [FunctionAddress: Claims] = [:]
    /// The regions in `index` by function, in address order.
    var shown: [FunctionAddress: [DecodedRegion]] = [:]
    var index = RegionIndex()

    public init(reserved: [GuestRange] = [], policy: DecodePolicy = .strict) {
        self.reserved = reserved
        self.policy = policy
    }

    /// All regions, in address order.
    public var regions: [DecodedRegion] {
        index.regions
    }

    /// The regions of one function, in address order.
    public func regions(of function: FunctionAddress) -> [DecodedRegion] {
        shown[function] ?? []
    }

    /// The region that holds `address`.
    public func region(at address: GuestAddress) -> DecodedRegion? {
        index.region(at: address)
    }

    /// Who answers an access to trapped memory; nil where its bytes are not all in one trapped region.
    public func trapped(at address: GuestAddress, width: AccessWidth) -> TrappedPlace? {
        guard let range = GuestRange(first: address, size: UInt64(width.rawValue)),
            let region = index.region(at: address), region.kind == .trapped, region.range.contains(range)
        else { return nil }
        return TrappedPlace(owner: region.owner, offset: region.offset &+ region.range.offset(of: address))
    }

    /// Takes over what `function` decodes now; also how a function is added.
    public mutating func update(_ function: PCIFunction) -> Change {
        let regions = function.decodedRegions.filter { region in
            !reserved.contains { $0.overlaps(region.range) }
        }
        claims[function.address] = Claims(regions: regions, decodedRegisterBits: function.decodedRegisterBits)
        return change(of: function.address)
    }

    /// Forgets a function, and what stands of it.
    public mutating func remove(_ function: FunctionAddress) -> Change {
        claims[function] = nil
        return change(of: function)
    }

    private mutating func change(of function: FunctionAddress) -> Change {
        hiddenCount == 0 ? localChange(of: function) ?? recompute() : recompute()
    }

    /// Changes the regions of one function; nil, with nothing changed, where others have a say.
    private mutating func localChange(of function: FunctionAddress) -> Change? {
        let old = shown[function] ?? []
        var new = claims[function]?.regions ?? []
        if policy == .lazy, let claims = claims[function] {
            new += old.filter(claims.letsStand)
        }
        new.sort { $0.range.first < $1.range.first }
        for (region, next) in zip(new, new.dropFirst()) where region.range.overlaps(next.range) {
            return nil
        }
        let change = Self.difference(old, new)
        for region in change.added {
            guard index.isFree(region.range, except: { $0.owner.function == function }) else { return nil }
        }
        for region in change.removed {
            index.remove(region)
        }
        for region in change.added {
            index.insert(region)
        }
        shown[function] = new.isEmpty ? nil : new
        return change
    }
}
