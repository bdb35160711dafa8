import Layouts
import Memslots
import PCI

/// The plan as `plan --json` prints it.
struct PlanReport: Encodable {
    struct Toggle: Encodable {
        let edits: Int
        let microseconds: [Footprint.MMU: Double]
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
    let budgets: [Layouts.Budget]
    let firstToEnd: String?
    let kernels: [Kernel]
    let tablesOf2012: [FixedTable]
    let advice: [Advice]
    /// The reason why not everything has a place.
    let obstacle: String?
    let windows: Plan.Windows
    let remedy: String?
    let warnings: [String]
    let skipped: [Skipped]
    let fits: Bool
    /// Whether everything in the dump that takes room is counted in the plan.
    let sure: Bool

    /// A function that is not counted.
    struct Skipped: Encodable {
        let function: String?
        let line: Int?
        let reason: String
    }
}

extension PlanReport {
    init(_ plan: Plan, warnings: [DumpWarning]) {
        layout = plan.layout.name
        policy = plan.policy
        let ports = plan.layout.functions.count { $0.description.bridge != nil }
        functions = plan.functions.count - ports
        bridges = plan.layout.bridges + ports
        functionList = plan.functions
        pieces = [.mapped: plan.mapped, .trapped: plan.trapped]
        slots = [.separate: plan.separate.count, .coalesced: plan.coalesced.count]
        kernelBytes = plan.slots.kernelBytes
        toggle = Toggle(edits: plan.slots.toggleEdits, microseconds: plan.slots.toggleMicroseconds)
        budgets = plan.budgets
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
        obstacle = plan.obstacleText
        windows = plan.windows
        remedy = plan.remedy
        self.warnings = warnings.map { "\($0)" }
        skipped = warnings.filter(\.isSkipped).map {
            Skipped(function: $0.function.map { "\($0)" }, line: $0.reason.line, reason: $0.reason.text)
        }
        fits = plan.fits
        sure = !warnings.contains { $0.isSkipped || $0.reason.isUnsure }
    }
}
