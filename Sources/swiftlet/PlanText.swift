import Layouts
import Memslots
import PCI
import Pictures

/// What `plan` prints: a table of the functions, the totals, the budgets, the kernels and some advice.
struct PlanText {
    let plan: Plan

    var text: String {
        ([functions.text, totals.text, budgets.text, kernels] + advice + [verdict]).joined(separator: "\n\n")
    }

    private var functions: TextTable {
        let hasNames = plan.functions.contains { $0.name != nil }
        return TextTable(
            plan.functions,
            [
                .left("function") {
                    $0.address == $0.guestAddress ? $0.address : "\($0.address) as \($0.guestAddress)"
                }, .right("mapped", \.mapped),
                .right("trapped", \.trapped), .right("slots", \.mapped),
                .left("below a page") { Self.list($0.subPageBARs) }, .left("split") { Self.list($0.splitBARs) },
                .left(hasNames ? "name" : "") { String(($0.name ?? "").prefix(60)) },
            ])
    }

    private var totals: TextTable {
        let (slots, bridges) = (plan.slots, plan.layout.bridges)
        func both(_ value: (Footprint.MMU) -> String) -> String {
            "\(value(.shadow)) with a shadow MMU, \(value(.tdp)) with a TDP MMU"
        }
        return TextTable(
            plan.layout.name, "(\(plan.policy.rawValue))",
            facts: [
                "functions": "\(plan.functions.count)"
                    + (bridges > 0 ? "; bridges, which are not assigned: \(bridges)" : ""),
                "pieces": "\(plan.mapped) mapped, \(plan.trapped) trapped",
                "slots": "\(plan.separate.count) separate, \(plan.coalesced.count) coalesced; RAM not counted",
                "kernel memory": both { Figures.size(slots.kernelBytes[$0] ?? 0) },
                "toggle all": "\(slots.toggleEdits) edits, about "
                    + both { Figures.time(slots.toggleMicroseconds[$0] ?? 0) },
                "no place": plan.obstacle.map { "\($0)" },
            ])
    }

    private var budgets: TextTable {
        TextTable(
            plan.budgets,
            [
                .left("budget", \.name), .right("need") { Self.amount($0.need, $0.unit) },
                .right("limit") { Self.amount($0.limit, $0.unit) }, .right("used") { Self.percent($0.share) },
                .left("fits") { $0.fits ? "fits" : "over" },
                .left("") { $0.condition.map { "counts \($0)" } ?? "" },
            ])
    }

    private var kernels: String {
        let eras = TextTable(
            SlotEra.all,
            [
                .left("kernel") { $0.name + ($0.year.map { ", change of \($0)" } ?? "") }, .right("slots", \.slots),
                .left("fits") { plan.fits($0) ? "fits" : "over" },
                .right("slot table") { "\($0.tableBytes(for: plan.slots.count)) bytes" },
            ])
        let tables = FixedTable.of2012.map {
            "\($0.slots) slots \($0.bytes)" + ($0.slotBytes == 56 ? " compacted" : "")
        }
        return eras.text + "\nslot tables of 2012, in bytes: " + tables.joined(separator: ", ")
    }

    private var advice: [String] {
        guard !plan.advice.isEmpty else { return [] }
        let lines = plan.advice.map { advice in
            let bar = advice.bar
            let slots = bar.savedSlots
            let saving =
                slots > 0 ? "saves \(slots) slot\(slots == 1 ? "" : "s") each and those exits" : "saves those exits"
            return "\(Self.functions(advice.functions)): BAR \(bar.number) shares pages with its MSI-X structures, and "
                + "accesses to \(bar.sharedBytes) bytes beside them exit; with these in a BAR of their own it is "
                + "\(bar.piecesWithout) piece\(bar.piecesWithout == 1 ? "" : "s") instead of \(bar.pieces), which \(saving)"
        }
        return [lines.joined(separator: "\n")]
    }

    private var verdict: String {
        let first = plan.firstToEnd.map { "; the first to end: \($0.name), at \(Self.percent($0.share))" } ?? ""
        let over = plan.budgets.filter { !$0.fits && $0.condition == nil }.map(\.name)
        return plan.fits ? "fits\(first)" : "does not fit: \(over.joined(separator: ", "))\(first)"
    }

    // MARK: Figures

    private static func list(_ bars: [Int]) -> String {
        bars.isEmpty ? "" : "BAR " + bars.map { "\($0)" }.joined(separator: ", ")
    }

    private static func functions(_ addresses: [FunctionAddress]) -> String {
        let shown = addresses.prefix(4).map { "\($0)" }.joined(separator: ", ")
        return addresses.count > 4 ? "\(shown) and \(addresses.count - 4) more" : shown
    }

    private static func amount(_ value: UInt64, _ unit: Budget.Unit) -> String {
        switch unit {
        case .count: "\(value)"
        case .bytes: Figures.size(value)
        case .address: hexadecimal(value)
        }
    }

    private static func percent(_ share: Double) -> String {
        guard share.isFinite, share < 1e9 else { return "all" }
        return share > 0 && share < 0.01 ? "< 1%" : "\(Int((share * 100).rounded(.up)))%"
    }
}
