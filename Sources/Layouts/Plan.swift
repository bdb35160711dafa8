public import Board
public import Memslots
public import PCI

/// A plan of what a layout would need: its slots, their costs, and the limit that is reached first. No machine is made, and no
/// KVM is asked.
public struct Plan: Sendable {
    /// The part of a plan that is about one function.
    public struct Function: Codable, Equatable, Sendable {
        /// The address of the function in the dump or the layout.
        public let address: String
        /// The address at which the guest finds the function.
        public let guestAddress: String
        /// The function's name. Nil if it has none.
        public let name: String?
        /// The vendor and device IDs as lspci writes them, such as `10de:2330`. Nil if the dump does not tell them.
        public let device: String?
        /// The number of mapped pieces.
        public let mapped: Int
        /// The number of trapped pieces.
        public let trapped: Int
        /// The BARs in order of their numbers, and the ROM. After them come the windows of a bridge and the ranges for virtual
        /// functions.
        public let registers: [Register]
        /// The numbers of memory BARs that are smaller than a page. They are trapped whole, because no slot can be so small.
        public let subPageBARs: [Int]
        /// The numbers of BARs that have more than one piece.
        public let splitBARs: [Int]
    }

    /// The part of a plan that is about a BAR, a ROM or a window.
    public struct Register: Codable, Equatable, Sendable {
        /// The name, such as `BAR 0` or `ROM`.
        public let register: String
        /// The address at which the guest finds it, in memory or among the ports, in hexadecimal. Nil if not everything has a
        /// place.
        public let address: String?
        /// The size in bytes.
        public let size: UInt64
        /// Whether it lies in 32-bit memory, in 64-bit memory, or among the ports.
        public let kind: BARDescription.Kind
        /// Whether it is prefetchable.
        public let prefetchable: Bool
        /// The number of mapped pieces.
        public let mapped: Int
        /// The number of trapped pieces.
        public let trapped: Int
    }

    /// The slots under one policy, and their costs.
    public struct Slots: Sendable {
        /// The slots.
        public let planned: PlannedSlots
        /// The number of edits if a guest switches the decode of each function off and on, one function after the other.
        public let toggleEdits: Int
        /// The time of these edits for each kind of MMU.
        public let toggleMicroseconds: [Footprint.MMU: Double]
        /// The kernel memory of the slots for each kind of MMU.
        public let kernelBytes: [Footprint.MMU: UInt64]

        /// The number of slots.
        public var count: Int { planned.count }
    }

    /// The planned layout.
    public let layout: Layout
    /// The slot policy that was asked for.
    public let policy: SlotPolicy
    /// The host for which the plan is made.
    public let host: PlanningHost
    /// The RAM in bytes. It takes no slots in the plan, but it takes addresses, and it is pinned.
    public let ram: UInt64
    /// The parts of the plan that are about single functions.
    public let functions: [Function]
    /// The slots if each mapping has its own.
    public let separate: Slots
    /// The slots if neighbours share them.
    public let coalesced: Slots
    /// The advice about MSI-X structures that share pages with other parts of a BAR.
    public let advice: [Advice]
    /// The limits, and the layout's need of each.
    public let budgets: [Budget]
    /// The reason why the machine cannot place everything. If there is one, the slots are counted as if it could.
    public let obstacle: AssignmentError?
    /// The change that would remove the obstacle, in words. Nil without an obstacle, and if no change helps.
    public let remedy: String?
    /// The ranges of addresses that firmware has to find.
    public let windows: Windows
    private let placed: PlacedLayout

    /// The obstacle in words, with the function's address in the dump.
    public var obstacleText: String? {
        obstacle.map { error in
            guard case .noSpace(let owner, _, _, _, _) = error,
                let function = layout.functions.first(where: { $0.address == owner.function }),
                function.source.function != function.address || function.source.domain != 0
            else { return "\(error)" }
            return "\(function.source) as \(error)"
        }
    }

    /// Plans a layout.
    ///
    /// - Parameters:
    ///   - memory: The RAM in bytes.
    ///   - choices: The user's wishes for the board, which precede those of the layout.
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

    /// The memory of a machine with everything in its place, without its RAM.
    public var memory: MemoryDescription { placed.description(of: slots.planned) }

    /// The bytes of BARs and ROMs that are mapped for the guest.
    public var mappedBytes: UInt64 { placed.mappedBytes }

    /// The number of mapped pieces of all functions.
    public var mapped: Int { functions.reduce(0) { $0 + $1.mapped } }
    /// The number of trapped pieces of all functions.
    public var trapped: Int { functions.reduce(0) { $0 + $1.trapped } }

    /// Whether everything has a place, and every budget without a condition is kept.
    public var fits: Bool {
        obstacle == nil && budgets.allSatisfy { $0.fits || $0.condition != nil }
    }

    /// The budget that is used most, of those without conditions. With more functions of the same kind, this limit is reached
    /// first.
    public var firstToEnd: Budget? {
        budgets.filter { $0.condition == nil }.max { $0.share < $1.share }
    }

    /// Whether the slots fit on the kernels of an era.
    public func fits(_ era: SlotEra) -> Bool {
        slots.count <= era.slots
    }
}

/// The reason why a layout cannot be planned.
public enum PlanError: Error, Hashable, Sendable {
    /// The board is impossible.
    case board(AddressMapError)
    /// BARs or ROMs cannot be placed, not even in address spaces without an end.
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
    /// The registers, in their order.
    let registers: [(register: BaseAddressRegister, pieces: [BARPiece])]

    /// Returns the pieces of all functions. Large layouts have thousands of equal functions next to each other, so the pieces
    /// of equal neighbours are made once.
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

    /// Returns the part of a plan that is about the function. `bases` has the addresses of its BARs.
    func summary(_ bases: [BAROwner: AddressAssignment]) -> Plan.Function {
        let description = function.description
        func base(of register: BaseAddressRegister) -> AddressAssignment? {
            bases[BAROwner(function: function.address, register: register)]
        }
        func row(
            _ register: BaseAddressRegister, _ bar: BARDescription?, _ size: UInt64?, _ pieces: [BARPiece] = []
        ) -> Plan.Register {
            let mapped = pieces.count { $0.kind == .mapped }
            return Plan.Register(
                register: "\(register)", address: base(of: register).map { hexadecimal($0.base) }, size: size ?? 0,
                kind: bar?.kind ?? .memory32, prefetchable: bar?.isPrefetchable ?? false, mapped: mapped,
                trapped: pieces.count - mapped)
        }
        let rows = registers.map { register, pieces in
            row(register, description.bar(register), description.size(of: register), pieces)
        }
        // Only memory BARs can be small or split.
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
        let reserved = areas.compactMap { register, bar in base(of: register).map { row(register, bar, $0.size) } }
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
    /// The vendor and device IDs, such as `10de:2330`.
    fileprivate var ids: String {
        [vendorID, deviceID].map { hexadecimal($0, digits: 4) }.joined(separator: ":")
    }
}
