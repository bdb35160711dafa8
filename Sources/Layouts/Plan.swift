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
        public let mapped: Int
        public let trapped: Int
        /// Memory BARs below a page: they are trapped whole, for no slot can be so small.
        public let subPageBARs: [Int]
        /// BARs that are more than one piece.
        public let splitBARs: [Int]
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
    public let functions: [Function]
    public let separate: Slots
    public let coalesced: Slots
    public let advice: [Advice]
    public let budgets: [Budget]
    /// Why the machine cannot place everything; the slots are then counted as if it could.
    public let obstacle: AssignmentError?
    private let placed: PlacedLayout

    public init(
        _ layout: Layout, policy: SlotPolicy = .separate, host: PlanningHost = PlanningHost(),
        choices: AddressMap.Choices = AddressMap.Choices()
    ) throws(PlanError) {
        let board: AddressMap
        do {
            let choices = choices.filled(from: layout.choices)
            board = try AddressMap(memory: 0, addressBits: host.physicalAddressBits, choices: choices)
            try board.checkBuses(of: layout.functions.last?.address.bus)
        } catch { throw .board(error) }
        self.layout = layout
        self.policy = policy
        self.host = host
        let pieces = FunctionPieces.of(layout)
        functions = pieces.map(\.summary)
        advice = Advice.of(layout)

        do { placed = try PlacedLayout(layout, pieces, board: board) } catch { throw .assignment(error) }
        obstacle = placed.obstacle
        separate = placed.slots(.separate, costs: host.costs)
        coalesced = placed.slots(.coalesced, costs: host.costs)
        let chosen = policy == .separate ? separate : coalesced
        budgets = Self.makeBudgets(layout, placed, slots: chosen, separate: separate, policy: policy, host: host)
    }

    /// The slots under the policy that was asked for.
    public var slots: Slots { policy == .separate ? separate : coalesced }

    /// Where a machine would have everything, as `layout` would draw it without its RAM.
    public var memory: MemoryDescription { placed.description(of: slots.planned) }

    public var mapped: Int { functions.reduce(0) { $0 + $1.mapped } }
    public var trapped: Int { functions.reduce(0) { $0 + $1.trapped } }

    /// Whether everything fits that counts without conditions.
    public var fits: Bool {
        budgets.allSatisfy { $0.fits || $0.condition != nil }
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
    static func of(_ layout: Layout) -> [FunctionPieces] {
        var all: [FunctionPieces] = []
        all.reserveCapacity(layout.functions.count)
        for function in layout.functions {
            let description = function.description
            let known = all.last.flatMap { $0.function.description == description ? $0.registers : nil }
            let registers = known ?? description.registers.map { ($0, description.pieces(of: $0)) }
            all.append(FunctionPieces(function: function, registers: registers))
        }
        return all
    }

    var summary: Plan.Function {
        var (mapped, trapped) = (0, 0)
        var (subPage, split): ([Int], [Int]) = ([], [])
        for (register, pieces) in registers {
            let mappedHere = pieces.count { $0.kind == .mapped }
            mapped += mappedHere
            trapped += pieces.count - mappedHere
            guard case .bar(let number) = register else { continue }
            if let size = pieces.first?.size, pieces.count == 1, size < Page.size { subPage.append(number) }
            if pieces.count > 1 { split.append(number) }
        }
        return Plan.Function(
            address: "\(function.source)", guestAddress: "\(function.address)",
            name: function.name.isEmpty ? nil : function.name, mapped: mapped, trapped: trapped, subPageBARs: subPage,
            splitBARs: split)
    }
}
