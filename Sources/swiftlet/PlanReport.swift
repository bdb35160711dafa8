import Layouts
import Memslots
import PCI

/// What `plan --json` prints.
struct PlanReport: Encodable {
    struct Function: Encodable {
        let address: String
        /// Where the guest finds it.
        let guestAddress: String
        let name: String?
        let mapped: Int
        let trapped: Int
        let subPageBARs: [Int]
        let splitBARs: [Int]
    }

    struct Counts: Encodable {
        let separate: Int
        let coalesced: Int
    }

    struct KernelBytes: Encodable {
        let shadow: UInt64
        let tdp: UInt64
    }

    struct Toggle: Encodable {
        let edits: Int
        let microseconds: Microseconds
    }

    struct Microseconds: Encodable {
        let shadow: Double
        let tdp: Double
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

    let layout: String
    let policy: SlotPolicy
    let functions: Int
    let bridges: Int
    let functionList: [Function]
    let pieces: LayoutReport.Pieces
    let slots: Counts
    let kernelBytes: KernelBytes
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
    enum Amount: Encodable {
        case number(UInt64)
        case address(UInt64)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let value): try container.encode(value)
            case .address(let value): try container.encode(hexadecimal(value))
            }
        }
    }

    init(_ plan: Plan, warnings: [String]) {
        layout = plan.layout.name
        policy = plan.policy
        functions = plan.functions.count
        bridges = plan.layout.bridges
        functionList = plan.functions.map(Function.init)
        pieces = LayoutReport.Pieces(mapped: plan.mapped, trapped: plan.trapped)
        slots = Counts(separate: plan.separate.count, coalesced: plan.coalesced.count)
        kernelBytes = KernelBytes(
            shadow: plan.slots.kernelBytes[.shadow] ?? 0, tdp: plan.slots.kernelBytes[.tdp] ?? 0)
        toggle = Toggle(
            edits: plan.slots.toggleEdits,
            microseconds: Microseconds(
                shadow: plan.slots.toggleMicroseconds[.shadow] ?? 0, tdp: plan.slots.toggleMicroseconds[.tdp] ?? 0))
        budgets = plan.budgets.map(Budget.init)
        firstToEnd = plan.firstToEnd?.name
        kernels = SlotEra.all.map { era in
            Kernel(
                version: era.name, year: era.year, slots: era.slots, fits: plan.fits(era),
                tableBytes: era.tableBytes(for: plan.slots.count))
        }
        tablesOf2012 = FixedTable.of2012
        advice = plan.advice.map { advice in
            Advice(
                functions: advice.functions.map { "\($0)" }, bar: advice.bar.number,
                sharedBytes: advice.bar.sharedBytes, savedSlots: advice.bar.savedSlots)
        }
        obstacle = plan.obstacle.map { "\($0)" }
        self.warnings = warnings
        fits = plan.fits
    }
}

extension PlanReport.Function {
    init(_ function: Plan.Function) {
        address = "\(function.function.source)"
        guestAddress = "\(function.function.address)"
        name = function.function.name.isEmpty ? nil : function.function.name
        mapped = function.mapped
        trapped = function.trapped
        subPageBARs = function.subPageBARs
        splitBARs = function.splitBARs
    }
}

extension PlanReport.Budget {
    init(_ budget: Layouts.Budget) {
        let isAddress = budget.unit == .address
        name = budget.name
        need = isAddress ? .address(budget.need) : .number(budget.need)
        limit = isAddress ? .address(budget.limit) : .number(budget.limit)
        fits = budget.fits
        condition = budget.condition
    }
}
