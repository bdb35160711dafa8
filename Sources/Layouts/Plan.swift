public import Board
public import Memslots
public import PCI

/// What a layout would need: which slots, at what cost, and what runs out first. Nothing is made, and no KVM is asked.
public struct Plan: Sendable {
    /// What becomes of one function.
    public struct Function: Codable, Equatable, Sendable {
        /// The address of the function in the dump or the layout.
        public let address: String
        /// The address at which the guest finds the function.
        public let guestAddress: String
        public let name: String?
        /// `10de:2330`, as lspci writes the ids of vendor and device; nil where the dump does not tell.
        public let device: String?
        public let mapped: Int
        public let trapped: Int
        /// The BARs by number, and the ROM.
        public let registers: [Register]
        /// Memory BARs below a page: they are trapped whole, for no slot can be so small.
        public let subPageBARs: [Int]
        /// BARs that are more than one piece.
        public let splitBARs: [Int]
    }

    /// What becomes of a BAR or a ROM.
    public struct Register: Codable, Equatable, Sendable {
        /// `BAR 0`, `ROM`.
        public let register: String
        /// Where the guest finds it, in memory or among the ports, in hexadecimal; nil if not everything has a place.
        public let address: String?
        /// In bytes.
        public let size: UInt64
        public let kind: BARDescription.Kind
        public let prefetchable: Bool
        public let mapped: Int
        public let trapped: Int
    }

    /// Slots, and what they cost, under one policy.
    public struct Slots: Sendable {
        public let planned: PlannedSlots
        /// Of a guest that switches decode of one function after the other off and on.
        public let toggleEdits: Int
        public let toggleMicroseconds: [Footprint.MMU: Double]
        public let kernelBytes: [Footprint.MMU: UInt64]

        public var count: Int { planned.count }
    }

    public let layout: Layout
    public let policy: SlotPolicy
    public let host: PlanningHost
    /// RAM in bytes. It takes no slots here, but addresses, and is pinned.
    public let ram: UInt64
    public let functions: [Function]
    public let separate: Slots
    public let coalesced: Slots
    public let advice: [Advice]
    public let budgets: [Budget]
    /// Why the machine cannot place everything; the slots are then counted as if it could.
    public let obstacle: AssignmentError?
    /// What would help against the obstacle; nil without one, and where nothing does.
    public let remedy: String?
    public let windows: Windows
    private let placed: PlacedLayout

    /// The obstacle in words, with the function as the dump names it.
    public var obstacleText: String? {
        obstacle.map { error in
            guard case .noSpace(let owner, _, _, _, _) = error,
                let function = layout.functions.first(where: { $0.address == owner.function }),
                function.source.function != function.address || function.source.domain != 0
            else { return "\(error)" }
            return "\(function.source) as \(error)"
        }
    }

    public init(
        _ layout: Layout, memory: UInt64 = 0, policy: SlotPolicy = .separate, host: PlanningHost = PlanningHost(),
        choices: AddressMap.Choices = AddressMap.Choices()
    ) throws(PlanError) {
        let board: AddressMap
        do {
            board = try AddressMap(
                memory: memory, addressBits: host.physicalAddressBits, choices: choices.filled(from: layout.choices))
            try board.checkBuses(layout.functions.map(\.address.busNumber))
        } catch { throw .board(error) }
        self.layout = layout
        self.policy = policy
        self.host = host
        ram = memory
        let pieces = FunctionPieces.of(layout, pageSize: host.pageSize)
        advice = Advice.of(layout)

        do {
            placed = try PlacedLayout(layout, pieces, board: board, avoiding: host.iommu.reserved)
        } catch { throw .assignment(error) }
        let bases = placed.bases
        functions = pieces.map { $0.summary(bases) }
        obstacle = placed.obstacle
        windows = Windows(layout, host)
        let search = Remedy(memory: memory, host: host, choices: choices.filled(from: layout.choices))
        remedy = placed.obstacle == nil ? nil : search.first(for: layout)
        separate = placed.slots(.separate, on: host)
        coalesced = placed.slots(.coalesced, on: host)
        let chosen = policy == .separate ? separate : coalesced
        budgets = Self.makeBudgets(
            layout, placed, windows, slots: chosen, separate: separate, policy: policy, host: host, memory: memory)
    }

    /// The slots under the policy that was asked for.
    public var slots: Slots { policy == .separate ? separate : coalesced }

    /// Where a machine would have everything, as `layout` would draw it without its RAM.
    public var memory: MemoryDescription { placed.description(of: slots.planned) }

    /// Bytes of BARs and ROMs that are mapped for the guest.
    public var mappedBytes: UInt64 { placed.mappedBytes }

    public var mapped: Int { functions.reduce(0) { $0 + $1.mapped } }
    public var trapped: Int { functions.reduce(0) { $0 + $1.trapped } }

    /// Whether everything has a place and fits that counts without conditions.
    public var fits: Bool {
        obstacle == nil && budgets.allSatisfy { $0.fits || $0.condition != nil }
    }

    /// Of the budgets that count without conditions the one that is used most: more of the same ends there first.
    public var firstToEnd: Budget? {
        budgets.filter { $0.condition == nil }.max { $0.share < $1.share }
    }

    /// Whether the slots fit on the kernels of an era.
    public func fits(_ era: SlotEra) -> Bool {
        slots.count <= era.slots
    }
}

/// Why a layout cannot be planned.
public enum PlanError: Error, Hashable, Sendable {
    case board(AddressMapError)
    case assignment(AssignmentError)
}

extension PlanError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .board(let error): "\(error)"
        case .assignment(let error): "\(error)"
        }
    }
}

/// A function's registers with their pieces.
struct FunctionPieces {
    let function: Layout.Function
    /// In the order of the registers.
    let registers: [(register: BaseAddressRegister, pieces: [BARPiece])]

    /// Of all functions; neighbours that are alike, as there are thousands in large layouts, are looked at once.
    static func of(_ layout: Layout, pageSize: UInt64) -> [FunctionPieces] {
        var all: [FunctionPieces] = []
        all.reserveCapacity(layout.functions.count)
        for function in layout.functions {
            let description = function.description
            let known = all.last.flatMap { $0.function.description == description ? $0.registers : nil }
            let registers = known ?? description.registers.map { ($0, description.pieces(of: $0, pageSize: pageSize)) }
            all.append(FunctionPieces(function: function, registers: registers))
        }
        return all
    }

    /// What becomes of the function, whose BARs begin at `bases`.
    func summary(_ bases: [BAROwner: AddressAssignment]) -> Plan.Function {
        let description = function.description
        let rows = registers.map { register, pieces in
            var bar: BARDescription?
            if case .bar(let number) = register { bar = description.bars[number] }
            let mapped = pieces.count { $0.kind == .mapped }
            return Plan.Register(
                register: "\(register)",
                address: bases[BAROwner(function: function.address, register: register)].map { hexadecimal($0.base) },
                size: description.size(of: register) ?? 0, kind: bar?.kind ?? .memory32,
                prefetchable: bar?.isPrefetchable ?? false, mapped: mapped, trapped: pieces.count - mapped)
        }
        // Only memory BARs are small or split.
        func numbers(where isOne: (Int, [BARPiece]) -> Bool) -> [Int] {
            registers.compactMap { register, pieces in
                guard case .bar(let number) = register, isOne(number, pieces) else { return nil }
                return number
            }
        }
        let areas: [(BaseAddressRegister, BARDescription?)] =
            [
                (.window(.ports), BARDescription(kind: .io, size: 0)), (.window(.memory), nil),
                (.window(.prefetchable), BARDescription(kind: .memory64, size: 0, isPrefetchable: true)),
            ] + description.virtualBARs.sorted { $0.key < $1.key }.map { (.virtual($0), $1) }
        let reserved = areas.compactMap { register, bar in
            bases[BAROwner(function: function.address, register: register)].map { area in
                Plan.Register(
                    register: "\(register)", address: hexadecimal(area.base), size: area.size,
                    kind: bar?.kind ?? .memory32, prefetchable: bar?.isPrefetchable ?? false, mapped: 0, trapped: 0)
            }
        }
        return Plan.Function(
            address: "\(function.source)", guestAddress: "\(function.address)",
            name: function.name.isEmpty ? nil : function.name, device: function.hasIdentity ? description.ids : nil,
            mapped: rows.reduce(0) { $0 + $1.mapped }, trapped: rows.reduce(0) { $0 + $1.trapped },
            registers: rows + reserved,
            subPageBARs: numbers {
                description.bars[$0].map { $0.kind != .io && $0.size < Page.size } == true && $1.count == 1
            },
            splitBARs: numbers { $1.count > 1 })
    }
}

extension FunctionDescription {
    /// `10de:2330`
    fileprivate var ids: String {
        [vendorID, deviceID].map { hexadecimal($0, digits: 4) }.joined(separator: ":")
    }
}
