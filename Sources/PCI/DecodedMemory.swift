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

    /// A change that can be withdrawn.
    public struct Proposal: Sendable {
        public fileprivate(set) var change = Change()
        /// What the functions that it touched had before.
        fileprivate var functions: [(FunctionAddress, Function?)] = []
        fileprivate let hidden: [DecodedRegion]
    }

    fileprivate struct Function: Sendable {
        /// What it decodes, shown or hidden; nothing in a reserved range.
        var decoded: [DecodedRegion] = []
        /// What stands, and is shown, though its register is not decoded.
        var standing: [DecodedRegion] = []
    }

    public let policy: DecodePolicy
    /// The ranges that no BAR can have.
    public let reserved: [GuestRange]

    private var functions: [FunctionAddress: Function] = [:]
    /// What is shown, by address.
    private var index = RegionIndex()
    /// What is decoded but lies on a region that is shown and has precedence; in no order.
    private var hidden: [DecodedRegion] = []

    public init(reserved: [GuestRange] = [], policy: DecodePolicy = .strict) {
        self.reserved = reserved
        self.policy = policy
    }

    /// All regions, in address order.
    public var regions: [DecodedRegion] {
        index.regions
    }

    /// Regions that are decoded but lie on others. Each update looks through them, and once more for each region that hides others.
    public var hiddenCount: Int {
        hidden.count
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

    /// Where a place of a BAR lies in guest memory; nil where no access there reaches it.
    public func address(of place: TrappedPlace) -> GuestAddress? {
        let region = functions[place.owner.function]?.decoded.first {
            $0.owner == place.owner && $0.kind == .trapped && $0.offset <= place.offset
                && place.offset - $0.offset < $0.size
        }
        guard let region, index.region(at: region.range.first) == region else { return nil }
        return region.range.first.advanced(by: place.offset - region.offset)
    }

    /// Takes over what `function` decodes now; also how a function is added.
    public mutating func update(_ function: PCIFunction) -> Change {
        propose(function).change
    }

    /// Takes over what `function` decodes now, until the proposal is withdrawn.
    public mutating func propose(_ function: PCIFunction) -> Proposal {
        var decoded = function.decodedRegions
        decoded.removeAll { region in reserved.contains { $0.overlaps(region.range) } }
        let undecodedRegisters = ~function.decodedRegisterBits
        return change(function.address, to: decoded, letStand: policy == .lazy ? undecodedRegisters : 0)
    }

    /// Forgets a function, and what stands of it.
    public mutating func remove(_ function: FunctionAddress) -> Change {
        change(function, to: [], letStand: 0).change
    }

    /// Puts everything back to what it was before a proposal, the last one that was made.
    public mutating func withdraw(_ proposal: Proposal) {
        for region in proposal.change.added { index.remove(region) }
        for region in proposal.change.removed { index.insert(region) }
        for (address, function) in proposal.functions.reversed() { functions[address] = function }
        hidden = proposal.hidden
    }

    // MARK: Who shows

    /// Gives a function what it decodes, and settles in order of precedence who shows: the function's new regions, and those
    /// that lay hidden on what went away. What loses to one of them makes room for others in turn.
    private mutating func change(
        _ address: FunctionAddress, to decoded: [DecodedRegion], letStand registers: UInt8
    ) -> Proposal {
        var proposal = Proposal(hidden: hidden)
        let hiddenBefore = takeHidden { $0.owner.function == address }
        let old = functions[address] ?? Function()
        let shown = old.decoded.filter { !hiddenBefore.contains($0) } + old.standing
        let standing = shown.filter { $0.kind == .mapped && registers & $0.owner.register.bit != 0 }
        proposal.functions.append((address, functions[address]))
        functions[address] = decoded.isEmpty && standing.isEmpty ? nil : Function(decoded: decoded, standing: standing)

        let yielding = shown.filter { !decoded.contains($0) }
        for region in yielding where !standing.contains(region) {
            index.remove(region)
            proposal.change.removed.append(region)
        }
        var candidates = decoded.filter { !shown.contains($0) } + takeHidden(on: yielding.sortedByAddress())
        candidates.sort { $0.owner > $1.owner }
        while let region = candidates.popLast() {
            let rivals = index.regions(overlapping: region.range)
            guard rivals.allSatisfy({ stands($0) || region.owner < $0.owner }) else {
                hidden.append(region)
                continue
            }
            if !rivals.isEmpty {
                candidates += takeHidden(on: rivals)
                candidates.sort { $0.owner > $1.owner }
                for rival in rivals {
                    proposal.functions.append((rival.owner.function, functions[rival.owner.function]))
                    hide(rival)
                }
                proposal.change.removed += rivals
            }
            index.insert(region)
            proposal.change.added.append(region)
        }
        proposal.change.removed = proposal.change.removed.sortedByAddress()
        proposal.change.added = proposal.change.added.sortedByAddress()
        return proposal
    }

    private mutating func takeHidden(where isTaken: (DecodedRegion) -> Bool) -> [DecodedRegion] {
        let taken = hidden.partition(by: isTaken)
        defer { hidden.removeSubrange(taken...) }
        return Array(hidden[taken...])
    }

    /// What lies hidden on some of `regions`, which are disjoint and come by address.
    private mutating func takeHidden(on regions: [DecodedRegion]) -> [DecodedRegion] {
        takeHidden { region in
            let next = regions.partitioningIndex { $0.range.last >= region.range.first }
            return next < regions.count && regions[next].range.first <= region.range.last
        }
    }

    private func stands(_ region: DecodedRegion) -> Bool {
        functions[region.owner.function]?.standing.contains(region) ?? false
    }

    /// Takes away a region that is shown; one that stands is gone for good.
    private mutating func hide(_ region: DecodedRegion) {
        index.remove(region)
        if stands(region) {
            functions[region.owner.function]?.standing.removeAll { $0 == region }
        } else {
            hidden.append(region)
        }
    }
}

extension [DecodedRegion] {
    fileprivate func sortedByAddress() -> [DecodedRegion] {
        sorted { $0.range.first < $1.range.first }
    }
}
