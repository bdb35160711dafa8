import Layouts
import Memslots
import PCI

/// What `plan --json` prints.
struct PlanReport: Encodable {
    struct Toggle: Encodable {
        let edits: Int
        let microseconds: [Footprint.MMU: Double]
    }

    struct Budget: Encodable {
        let name: String
        let need: Amount
        let limit: Amount
        let fits: Bool
        /// In which set-up it counts; without it, it always does.
        let condition: String?
    }

    struct Kernel: Encodable {
        let version: String
        let year: Int?
        let slots: Int
        let fits: Bool
        let tableBytes: Int
    }

    struct Advice: Encodable {
        let functions: [String]
        let bar: Int
        let sharedBytes: UInt64
        let savedSlots: Int
    }

    private let schema = 1
    let layout: String
    let policy: SlotPolicy
    let functions: Int
    let bridges: Int
    let functionList: [Plan.Function]
    let pieces: [BARPiece.Kind: Int]
    let slots: [SlotPolicy: Int]
    let kernelBytes: [Footprint.MMU: UInt64]
    let toggle: Toggle
    let budgets: [Budget]
    let firstToEnd: String?
    let kernels: [Kernel]
    let tablesOf2012: [FixedTable]
    let advice: [Advice]
    /// Why not everything has a place.
    let obstacle: String?
    let warnings: [String]
    let fits: Bool

    /// A number, or an address as a string.
    struct Amount: Encodable {
        let value: UInt64
        let unit: Layouts.Budget.Unit

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try unit == .address ? container.encode(hexadecimal(value)) : container.encode(value)
        }
    }
}

extension PlanReport {
    init(_ plan: Plan, warnings: [String]) {
        layout = plan.layout.name
        policy = plan.policy
        functions = plan.functions.count
        bridges = plan.layout.bridges
        functionList = plan.functions
        pieces = [.mapped: plan.mapped, .trapped: plan.trapped]
        slots = [.separate: plan.separate.count, .coalesced: plan.coalesced.count]
        kernelBytes = plan.slots.kernelBytes
        toggle = Toggle(edits: plan.slots.toggleEdits, microseconds: plan.slots.toggleMicroseconds)
        budgets = plan.budgets.map {
            Budget(
                name: $0.name, need: Amount(value: $0.need, unit: $0.unit),
                limit: Amount(value: $0.limit, unit: $0.unit), fits: $0.fits,
                condition: $0.condition)
        }
        firstToEnd = plan.firstToEnd?.name
        kernels = SlotEra.all.map {
            Kernel(
                version: $0.name, year: $0.year, slots: $0.slots, fits: plan.fits($0),
                tableBytes: $0.tableBytes(for: plan.slots.count))
        }
        tablesOf2012 = FixedTable.of2012
        advice = plan.advice.map {
            Advice(
                functions: $0.functions.map(\.description), bar: $0.bar.number, sharedBytes: $0.bar.sharedBytes,
                savedSlots: $0.bar.savedSlots)
        }
        obstacle = plan.obstacle.map { "\($0)" }
        self.warnings = warnings
        fits = plan.fits
    }
}
