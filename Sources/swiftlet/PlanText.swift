import Layouts
import Memslots
import PCI

/// What `plan` prints: a table of the functions, the totals, the budgets, the kernels and some advice.
struct PlanText {
    private let plan: Plan

    init(_ plan: Plan) {
        self.plan = plan
    }

    var text: String {
        ([functions, totals, budgets, kernels] + advice + [verdict]).joined(separator: "\n\n")
    }

    private var functions: String {
        let rows = plan.functions.map { function in
            [
                Self.address(function.function), "\(function.mapped)", "\(function.trapped)", "\(function.mapped)",
                Self.list(function.subPageBARs), Self.list(function.splitBARs),
                String(function.function.name.prefix(60)),
            ]
        }
        let columns: [TextTable.Column] = [
            .left("function"), .right("mapped"), .right("trapped"), .right("slots"), .left("below a page"),
            .left("split"), .left(plan.functions.contains { !$0.function.name.isEmpty } ? "name" : ""),
        ]
        return TextTable(columns: columns, rows: rows).text
    }

    private var totals: String {
        let slots = plan.slots
        func both(_ value: (Footprint.MMU) -> String) -> String {
            "\(value(.shadow)) with a shadow MMU, \(value(.tdp)) with a TDP MMU"
        }
        var rows = [
            ["functions", "\(plan.functions.count)"],
            ["pieces", "\(plan.mapped) mapped, \(plan.trapped) trapped"],
            ["slots", "\(plan.separate.count) separate, \(plan.coalesced.count) coalesced; RAM not counted"],
            ["kernel memory", both { LayoutText.size(slots.kernelBytes[$0] ?? 0) }],
            [
                "toggle all",
                "\(slots.toggleEdits) edits, about "
                    + both { LayoutText.milliseconds((slots.toggleMicroseconds[$0] ?? 0) / 1e6) },
            ],
        ]
        if plan.layout.bridges > 0 { rows[0][1] += "; bridges, which are not assigned: \(plan.layout.bridges)" }
        if let obstacle = plan.obstacle { rows.append(["no place", "\(obstacle)"]) }
        return TextTable(
            columns: [.left(plan.layout.name), .left("(\(plan.policy.rawValue))")], rows: rows
        ).text
    }

    private var budgets: String {
        let rows = plan.budgets.map { budget in
            [
                budget.name, Self.amount(budget.need, budget.unit), Self.amount(budget.limit, budget.unit),
                Self.percent(budget.share), budget.fits ? "fits" : "over",
                budget.condition.map { "counts \($0)" } ?? "",
            ]
        }
        let columns: [TextTable.Column] = [
            .left("budget"), .right("need"), .right("limit"), .right("used"), .left("fits"), .left(""),
        ]
        return TextTable(columns: columns, rows: rows).text
    }

    private var kernels: String {
        let rows = SlotEra.all.map { era in
            [
                era.name + (era.year.map { ", change of \($0)" } ?? ""), "\(era.slots)",
                plan.fits(era) ? "fits" : "over",
                "\(era.tableBytes(for: plan.slots.count)) bytes",
            ]
        }
        let columns: [TextTable.Column] = [.left("kernel"), .right("slots"), .left("fits"), .right("slot table")]
        let tables = FixedTable.of2012.map {
            "\($0.slots) slots \($0.bytes)" + ($0.slotBytes == 56 ? " compacted" : "")
        }
        return TextTable(columns: columns, rows: rows).text + "\n"
            + "slot tables of 2012, in bytes: " + tables.joined(separator: ", ")
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

    private static func address(_ function: Layout.Function) -> String {
        let source = "\(function.source)"
        let address = "\(function.address)"
        return source == address ? source : "\(source) as \(address)"
    }

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
        case .bytes: LayoutText.size(value)
        case .address: hexadecimal(value)
        }
    }

    private static func percent(_ share: Double) -> String {
        guard share.isFinite, share < 1e9 else { return "all" }
        return share > 0 && share < 0.01 ? "< 1%" : "\(Int((share * 100).rounded(.up)))%"
    }
}
