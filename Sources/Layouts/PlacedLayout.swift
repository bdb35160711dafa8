import Board
import Memslots
import PCI

/// A layout with everything at the addresses that a machine would give it.
struct PlacedLayout {
    /// The reason why a machine could not place everything. If there is one, everything is placed as if no address space ended.
    let obstacle: AssignmentError?
    /// The apertures in which the layout is placed. If there is an obstacle, they do not end.
    let apertures: Apertures
    /// The apertures of the board.
    var boardApertures: Apertures { board.apertures }
    var ram: [GuestRange] { board.ram.ranges }
    /// The places of BARs and ROMs in memory, in order of their addresses.
    let assignments: [AddressAssignment]
    /// The memory windows of bridges, and the ranges that are kept free for virtual functions.
    let windows: [AddressAssignment]
    /// The place of each BAR and ROM, in memory or among the ports. Empty if not everything has a place.
    let bases: [BAROwner: AddressAssignment]
    private let board: AddressMap
    private let bridges: BridgeTree
    let mapped: [DecodedRegion]
    private let regions: [DecodedRegion]
    private let mappings: [Mapping]

    init(
        _ layout: Layout, _ pieces: [FunctionPieces], board: AddressMap, avoiding avoided: [GuestRange]
    ) throws(AssignmentError) {
        self.board = board
        let functions = layout.byAddress
        var assigner = AddressAssigner(board.apertures, avoiding: avoided)
        assigner.fixed = layout.fixed
        var obstacle: AssignmentError?
        var found: [AddressAssignment] = []
        do { found = try assigner.assign(functions) } catch { obstacle = error }
        if obstacle != nil {
            assigner = AddressAssigner.beyondAllLimits(board.apertures)
            // Ports take no slots. Unlike memory, they cannot be placed beyond their end, because port numbers are limited.
            found = try assigner.assign(functions.mapValues(\.withoutPorts))
        }
        self.obstacle = obstacle
        bridges = (try? BridgeTree(functions)) ?? BridgeTree()
        bases = Dictionary(uniqueKeysWithValues: obstacle == nil ? found.map { ($0.owner, $0) } : [])
        apertures = assigner.apertures
        windows = found.filter { $0.owner.register > .rom && $0.owner.register != .window(.ports) }
        found.removeAll { $0.owner.register > .rom }

        var regions: [DecodedRegion] = []
        var memory: [AddressAssignment] = []
        var next = found[...]
        for function in pieces {
            for (register, pieces) in function.registers {
                let owner = BAROwner(function: function.function.address, register: register)
                guard let assignment = next.first, assignment.owner == owner else { continue }
                next.removeFirst()
                guard !pieces.isEmpty else { continue }
                memory.append(assignment)
                regions += assignment.regions(of: pieces)
            }
        }
        assignments = memory.sorted { $0.base < $1.base }
        regions.sort { $0.range.first < $1.range.first }
        mapped = regions.filter { $0.kind == .mapped }
        self.regions = regions
        mappings = mapped.map {
            Mapping(range: $0.range, backing: Backing(offset: 0), access: $0.access, owner: $0.owner.mappingOwner)
        }
    }

    /// The bytes of BARs and ROMs that are mapped for the guest.
    var mappedBytes: UInt64 { mapped.reduce(0) { $0 &+ $1.size } }

    func slots(_ policy: SlotPolicy, on host: PlanningHost) -> Plan.Slots {
        let planned = PlannedSlots(
            mappings, policy: policy, apertures: [apertures.low] + (apertures.high.map { [$0] } ?? []))
        let toggle = ToggleEdits(mapped, in: planned.slots, behind: bridges)
        var kernelBytes: [Footprint.MMU: UInt64] = [:]
        var microseconds: [Footprint.MMU: Double] = [:]
        // These costs are known only for x86-64, whose pages have 4 KiB.
        for mmu in Footprint.MMU.allCases where host.pageSize == Page.size {
            kernelBytes[mmu] = planned.kernelBytes(mmu)
            microseconds[mmu] = toggle.microseconds(host.costs, mmu)
        }
        return Plan.Slots(
            planned: planned, toggleEdits: toggle.count, toggleMicroseconds: microseconds, kernelBytes: kernelBytes)
    }

    func description(of planned: PlannedSlots) -> MemoryDescription {
        var rows: [MemoryDescription.Row] = []
        rows.reserveCapacity(mapped.count)
        var next = 0
        for (number, slot) in planned.slots.enumerated() {
            for index in next..<next + slot.mappings {
                rows.append(MemoryDescription.Row(mapping: mappings[index], slot: number))
            }
            next += slot.mappings
        }
        return MemoryDescription(
            rows: rows, decoded: regions, areas: board.areas(hasFunctions: true, apertures: apertures),
            windows: windows)
    }
}

extension FunctionDescription {
    fileprivate var withoutPorts: FunctionDescription {
        var description = self
        description.bars = bars.filter { $0.value.kind != .io }
        return description
    }
}
