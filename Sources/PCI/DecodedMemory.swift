public import Devices
public import Memslots

/// The regions that all functions together decode in guest memory. The regions that are shown are disjoint, and each has an owner.
///
/// Precedence decides between two claims to the same addresses. Reserved ranges come first: RAM, configuration space, and what the
/// host cannot map. Then come functions with lower bus, device and function numbers, and the lower BARs of a function. A ROM comes
/// last. A region that overlaps one with precedence is hidden as a whole. The region is shown once nothing with precedence lies on
/// it. A region behind bridges is decoded only if each bridge passes all of it on through one window.
///
/// With strict decode the regions depend only on the present state of the functions. With lazy decode a mapped region whose decode
/// went off is standing: it is still shown, until a region that is decoded overlaps it. A mapped region that a bridge no longer
/// leads to is standing as well.
public struct DecodedMemory: Sendable {
    /// The difference that an update makes. Both lists are in address order, and a region that stays is in neither.
    public struct Change: Hashable, Sendable {
        /// The regions that are shown no longer.
        public var removed: [DecodedRegion] = []
        /// The regions that are shown from now on.
        public var added: [DecodedRegion] = []

        /// Whether nothing changes.
        public var isEmpty: Bool { removed.isEmpty && added.isEmpty }
    }

    /// A change that can be withdrawn.
    public struct Proposal: Sendable {
        /// The difference that the proposal makes.
        public fileprivate(set) var change = Change()
        /// Each function that the proposal touched, with its state before the proposal.
        fileprivate var functions: [(FunctionAddress, Function?)] = []
        fileprivate let hidden: [DecodedRegion]
        fileprivate let bridges: BridgeTree
    }

    fileprivate struct Function: Sendable {
        /// The regions that the function decodes, shown or hidden, except those on a reserved range.
        var decoded: [DecodedRegion] = []
        /// The standing regions: they are shown, although their registers are not decoded.
        var standing: [DecodedRegion] = []
        /// For a function behind bridges, everything that its own registers decode, whether or not the bridges lead there.
        var own = OwnDecode()
    }

    /// The regions that the registers of a function decode by themselves, and these registers, each by its `bit`.
    fileprivate struct OwnDecode: Sendable {
        var regions: [DecodedRegion] = []
        var registers: UInt8 = 0
    }

    /// The policy for mapped regions while decode is off.
    public let policy: DecodePolicy
    /// The ranges that no BAR can have.
    public let reserved: [GuestRange]

    /// The bridges above the functions.
    public private(set) var bridges: BridgeTree

    private var functions: [FunctionAddress: Function] = [:]
    /// The regions that are shown, by address.
    private var index = RangeIndex<DecodedRegion>()
    /// The regions that are decoded but hidden by regions that are shown, in no order.
    private var hidden: [DecodedRegion] = []

    /// Creates memory in which nothing is decoded.
    public init(
        reserved: [GuestRange] = [], policy: DecodePolicy = .strict, bridges: BridgeTree = BridgeTree()
    ) {
        self.reserved = reserved
        self.bridges = bridges
        self.policy = policy
    }

    /// The regions that are shown, in address order.
    public var regions: [DecodedRegion] {
        index.elements
    }

    /// The number of hidden regions. Each update searches all hidden regions once, and once more for each region that takes the
    /// place of regions shown so far.
    public var hiddenCount: Int {
        hidden.count
    }

    /// Returns the place that an access to trapped memory reaches, or nil if the bytes of the access are not all in one trapped
    /// region.
    public func trapped(at address: GuestAddress, width: AccessWidth) -> TrappedPlace? {
        guard let range = GuestRange(first: address, size: UInt64(width.rawValue)),
            let region = index.element(at: address), region.kind == .trapped, region.range.contains(range)
        else { return nil }
        return TrappedPlace(owner: region.owner, offset: region.offset &+ region.range.offset(of: address))
    }

    /// Returns the address of a trapped place in guest memory, or nil if the place is not decoded or is hidden.
    public func address(of place: TrappedPlace) -> GuestAddress? {
        let region = functions[place.owner.function]?.decoded.first {
            $0.owner == place.owner && $0.kind == .trapped && $0.offset <= place.offset
                && place.offset - $0.offset < $0.size
        }
        guard let region, index.element(at: region.range.first) == region else { return nil }
        return region.range.first.advanced(by: place.offset - region.offset)
    }

    /// Takes over what a function decodes now, and returns the difference. A function that is not known yet is added.
    public mutating func update(_ function: PCIFunction) -> Change {
        propose(function).change
    }

    /// Takes over what a function decodes now and, if it is a bridge, what it passes on. Returns what `withdraw` needs in order to
    /// put everything back.
    ///
    /// - Parameter isReset: Whether none of the function's regions is to stand.
    public mutating func propose(_ function: PCIFunction, isReset: Bool = false) -> Proposal {
        let bits = isReset ? .max : function.decodedRegisterBits
        return propose(function.address, function, OwnDecode(regions: function.decodedRegions, registers: bits))
    }

    /// Forgets a function and its standing regions. If the function is a bridge, nothing leads through it any more.
    public mutating func remove(_ function: FunctionAddress) -> Change {
        proposeRemoval(of: function).change
    }

    /// Forgets a function, as `remove` does. Returns what `withdraw` needs in order to put everything back.
    public mutating func proposeRemoval(of function: FunctionAddress) -> Proposal {
        propose(function, nil, OwnDecode(registers: .max))
    }

    /// Takes over what the function at an address decodes, and what it passes on if it is a bridge. The function is nil if it is
    /// gone.
    private mutating func propose(
        _ address: FunctionAddress, _ function: PCIFunction?, _ own: OwnDecode
    ) -> Proposal {
        var proposal = Proposal(hidden: hidden, bridges: bridges)
        var changed = [(address, own)]
        if bridges.update(address, function) {
            // What reaches the functions behind the bridge has changed as well.
            changed += functions.filter { bridges.isBehind(address, $0.key) }.map { ($0.key, $0.value.own) }
        }
        change(changed, &proposal)
        return proposal
    }

    /// Returns the part of what a function's registers decode that guests can reach: the regions to which bridges lead and that
    /// overlap no reserved range. The registers in the result are those that count as decoded.
    private func reached(_ address: FunctionAddress, _ own: OwnDecode) -> OwnDecode {
        var reached = own
        if bridges.bridge(above: address) != nil {
            reached.regions.removeAll { region in
                let range = region.range.first.rawValue...region.range.last.rawValue
                return !bridges.passes(range, through: [.memory, .prefetchable], to: address)
            }
            let cutOff = own.regions.reduce(0) { $0 | $1.owner.register.bit }
            let left = reached.regions.reduce(0) { $0 | $1.owner.register.bit }
            reached.registers &= ~cutOff | left
        }
        reached.regions.removeAll { region in reserved.contains { $0.overlaps(region.range) } }
        return reached
    }

    /// Puts everything back to the state before a proposal. The proposal must be the last one that was made.
    public mutating func withdraw(_ proposal: Proposal) {
        for region in proposal.change.added { index.remove(region) }
        for region in proposal.change.removed { index.insert(region) }
        for (address, function) in proposal.functions.reversed() { functions[address] = function }
        hidden = proposal.hidden
        bridges = proposal.bridges
    }

    // MARK: Which regions are shown

    /// Gives functions the regions that they decode, and settles in order of precedence which regions are shown.
    ///
    /// Candidates are the functions' new regions and the regions that their removed regions had hidden. A region that a candidate
    /// hides may have hidden others, which become candidates in turn.
    private mutating func change(_ wanted: [(FunctionAddress, OwnDecode)], _ proposal: inout Proposal) {
        var (candidates, yielding): ([DecodedRegion], [DecodedRegion]) = ([], [])
        for (address, own) in wanted {
            let reached = reached(address, own)
            let decoded = reached.regions
            let hiddenBefore = takeHidden { $0.owner.function == address }
            let old = functions[address]
            let shown = (old?.decoded.filter { !hiddenBefore.contains($0) } ?? []) + (old?.standing ?? [])
            let standing = shown.filter {
                policy == .lazy && $0.kind == .mapped && reached.registers & $0.owner.register.bit == 0
            }
            proposal.functions.append((address, old))
            let isBehind = bridges.bridge(above: address) != nil && !own.regions.isEmpty
            functions[address] =
                decoded.isEmpty && standing.isEmpty && !isBehind
                ? nil : Function(decoded: decoded, standing: standing, own: isBehind ? own : OwnDecode())

            let gone = shown.filter { !decoded.contains($0) }
            for region in gone where !standing.contains(region) {
                index.remove(region)
                proposal.change.removed.append(region)
            }
            yielding += gone
            candidates += decoded.filter { !shown.contains($0) }
        }
        candidates += takeHidden(on: yielding.sortedByAddress())
        candidates.sort { $0.owner > $1.owner }
        while let region = candidates.popLast() {
            let rivals = index.elements(in: region.range)
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
    }

    /// Removes from the hidden regions those for which a condition holds, and returns them.
    private mutating func takeHidden(where isTaken: (DecodedRegion) -> Bool) -> [DecodedRegion] {
        let taken = hidden.partition(by: isTaken)
        defer { hidden.removeSubrange(taken...) }
        return Array(hidden[taken...])
    }

    /// Removes from the hidden regions those that overlap one of `regions`, and returns them. `regions` must be disjoint and in
    /// address order.
    private mutating func takeHidden(on regions: [DecodedRegion]) -> [DecodedRegion] {
        takeHidden { region in
            let next = regions.partitioningIndex { $0.range.last >= region.range.first }
            return next < regions.count && regions[next].range.first <= region.range.last
        }
    }

    /// Returns whether a region is standing.
    private func stands(_ region: DecodedRegion) -> Bool {
        functions[region.owner.function]?.standing.contains(region) ?? false
    }

    /// Hides a region that is shown. If the region is standing, it does not become hidden but goes away, because it is not decoded.
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
