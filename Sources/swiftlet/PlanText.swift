import Layouts
import Machine
import Memslots
import PCI
import Pictures

/// The text that `plan` prints: the answer in a sentence, a table of the functions and their BARs, the totals and the budgets.
struct PlanText {
    let plan: Plan
    let warnings: [DumpWarning]
    /// Whether the text includes history, budgets that count for few users, and advice to makers of devices.
    let isVerbose: Bool
    /// The columns of the terminal. Nil if lines may have any length.
    let width: Int?

    var text: String {
        var parts = [answer, PlanTable(plan, width: width).text, totals.text, budgets.text]
        if isVerbose { parts += [kernels] + advice }
        return parts.joined(separator: "\n\n")
    }

    // MARK: The answer

    /// The answer in a few words, for a map.
    var verdict: String {
        if plan.obstacleText != nil { return "does not fit: addresses as if the apertures had no end" }
        return (plan.fits ? "fits" : "does not fit") + (lacks.isEmpty ? "" : ", with \(lacks)")
    }

    /// The numbers of functions that are not counted, or only in part. Empty if there are none.
    private var lacks: String {
        let (skipped, unsure) = (warnings.count(where: \.isSkipped), warnings.count(where: \.reason.isUnsure))
        return [
            skipped > 0 ? "\(Figures.count(skipped, "function")) not counted" : nil,
            unsure > 0 ? "\(Figures.count(unsure, "function")) counted only in part" : nil,
        ].compactMap(\.self).joined(separator: " and ")
    }

    /// The answer, such as `typical-16 fits; open files come next, at 12 %`.
    private var answer: String {
        let rest = lacks.isEmpty ? "" : ", with \(lacks) (see below)"
        if let obstacle = plan.obstacleText {
            let advice = plan.obstacle.flatMap { MachineError.assignment($0).advice }
            return "\(plan.layout.name) does not fit: \(obstacle)" + (advice.map { ". \($0)" } ?? "")
        }
        guard plan.fits else {
            let over = plan.budgets.filter { !$0.fits && $0.condition == nil }.map { budget in
                let (need, limit) = Self.amounts(budget)
                return "\(budget.name) (\(need) needed, \(limit) there)"
            }
            return "\(plan.layout.name) does not fit\(rest): \(over.joined(separator: ", "))"
        }
        let next = plan.firstToEnd.map { budget in
            let isMany = budget.unit == .count
            return
                "; \(isMany ? "" : "the ")\(budget.name) \(isMany ? "come" : "comes") next, at \(Self.percent(budget.share))"
        }
        return "\(plan.layout.name) fits\(rest)\(next ?? "")"
    }

    // MARK: Sums

    private var totals: TextTable {
        let (slots, bridges) = (plan.slots, plan.layout.bridges)
        let ports = plan.layout.functions.count { $0.description.bridge != nil }
        func both(_ value: (Footprint.MMU) -> String?) -> String? {
            guard let shadow = value(.shadow), let tdp = value(.tdp) else { return nil }
            return "\(tdp) with EPT or NPT, \(shadow) with shadow paging"
        }
        let facts: [(String, String?)] = [
            (
                "functions",
                "\(plan.functions.count - ports)"
                    + (ports > 0 ? ", and \(Figures.count(ports, "bridge")) above them" : "")
                    + (bridges > 0
                        ? "; the guest does not get \(Figures.count(bridges, "other bridge")) of the dump" : "")
            ),
            (
                "pieces",
                "\(plan.mapped) that the guest reaches directly (mapped), \(plan.trapped) where each access exits (trapped)"
            ),
            (
                "slots",
                "\(plan.separate.count) separate or \(plan.coalesced.count) coalesced, and those of the RAM; counted here: "
                    + plan.policy.rawValue
            ),
            ("kernel memory", both { slots.kernelBytes[$0].map(Figures.size) }),
            (
                "decode off and on",
                both { slots.toggleMicroseconds[$0].map(Figures.time) }.map { "\(slots.toggleEdits) edits: " + $0 }
            ),
            (
                "pinned for DMA",
                "\(Figures.size(plan.mappedBytes)) of BARs, and the RAM"
                    + (plan.ram > 0 ? " of \(Figures.size(plan.ram))" : "")
            ),
            ("kernels", Self.kernels(plan)),
        ]
        return TextTable(
            "total", facts: facts + windows + lacks("not counted", \.isSkipped) + lacks("in part", \.reason.isUnsure))
    }

    /// The windows that firmware has to find, with and without bridges, and whether it usually finds them.
    private var windows: [(String, String?)] {
        let (windows, hasBridges) = (plan.windows, plan.layout.functions.contains { $0.description.bridge != nil })
        // Firmware finds room for windows of less than 1 GiB anyway, so these are not worth lines.
        let remedy: [(String, String?)] = [("what helps", plan.remedy)]
        guard windows.behindPorts[1] >= 1 << 30 || hasBridges else { return remedy }
        func text(_ need: [UInt64]) -> String {
            "\(Figures.size(need[0])) below 4 GiB, \(Figures.size(need[1])) of 64 bits"
        }
        let shares = windows.shares.map {
            "\(Figures.size($0.bytes)) (1/\($0.parts) of \($0.addressBits) bits) \($0.holds ? "yes" : "no")"
        }
        return [
            ("windows", text(windows.need)), ("flat", hasBridges ? text(windows.flat) : nil),
            (
                "behind ports",
                hasBridges ? nil : text(windows.behindPorts) + ", if each device has a root port of its own"
            ),
            ("firmware holds it", shares.joined(separator: ", ")),
        ] + remedy
    }

    /// Returns a line for each function of which the plan lacks something, up to a limit. The first one has the title.
    private func lacks(_ title: String, _ isConcerned: (DumpWarning) -> Bool) -> [(String, String?)] {
        let all = warnings.filter(isConcerned)
        let shown = isVerbose ? all.count : 12
        let lines = all.prefix(shown).map { warning in
            "\(warning.function.map { "\($0): " } ?? "")\(warning.reason.text)"
                + (warning.reason.advice.map { "; \($0)" } ?? "")
        }
        let more = all.count > shown ? ["and \(all.count - shown) more (--verbose)"] : []
        return (lines + more).enumerated().map { ($0.offset == 0 ? title : "", $0.element) }
    }

    private static func kernels(_ plan: Plan) -> String {
        guard let first = SlotEra.all.first(where: plan.fits) else { return "none has so many slots" }
        return first.since.map { "Linux \($0) and later have enough slots" }
            ?? "all versions of Linux have enough slots"
    }

    private var budgets: TextTable {
        // A budget that counts for few users is shown only if it is exceeded.
        let rows = plan.budgets.filter { isVerbose || $0.condition == nil || !$0.fits && !$0.isOfFew }
        return TextTable(
            rows,
            [
                .left("budget", \.name), .right("need") { Self.amounts($0).need },
                .right("limit") { Self.amounts($0).limit },
                .right("used") { Self.percent($0.share) }, .left("") { $0.fits ? "fits" : "over" },
                .left("") { Self.note($0) },
            ], width: width)
    }

    private static func note(_ budget: Budget) -> String {
        if let condition = budget.condition {
            return "counts \(condition)" + (budget.isOfAMD ? "; --iommu amd places around them" : "")
        }
        guard let sum = budget.sum, sum > 0, sum != budget.need else { return "" }
        return "sum \(Figures.size(sum))"
    }

    // MARK: For the curious

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
            let saving = slots > 0 ? "saves \(Figures.count(slots, "slot")) each and those exits" : "saves those exits"
            return "\(Self.functions(advice.functions)): BAR \(bar.number) shares pages with its MSI-X structures, and "
                + "accesses to \(bar.sharedBytes) bytes beside them exit; with these in a BAR of their own it is "
                + "\(Figures.count(bar.piecesWithout, "piece")) instead of \(bar.pieces), which \(saving)"
        }
        return [lines.joined(separator: "\n")]
    }

    // MARK: Figures

    private static func functions(_ addresses: [DomainAddress]) -> String {
        let shown = addresses.prefix(4).map { "\($0)" }.joined(separator: ", ")
        return addresses.count > 4 ? "\(shown) and \(addresses.count - 4) more" : shown
    }

    /// Returns the need and the limit in words. If rounding would make different numbers look equal, they are not rounded.
    private static func amounts(_ budget: Budget) -> (need: String, limit: String) {
        func both(_ text: (UInt64) -> String) -> (need: String, limit: String) {
            (text(budget.need), text(budget.limit))
        }
        switch budget.unit {
        case .count: return both(Figures.grouped)
        case .address: return both(hexadecimal)
        case .bytes:
            let rounded = both(Figures.size)
            return rounded.need == rounded.limit && budget.need != budget.limit
                ? both { "\(Figures.grouped($0)) bytes" } : rounded
        }
    }

    private static func percent(_ share: Double) -> String {
        guard share.isFinite, share < 1e9 else { return "all" }
        return share > 0 && share < 0.01 ? "< 1 %" : "\(Figures.grouped(Int((share * 100).rounded(.up)))) %"
    }
}

extension Budget {
    /// Whether the budget concerns few users.
    fileprivate var isOfFew: Bool { name.hasPrefix("vhost-user") }
    fileprivate var isOfAMD: Bool { name == Plan.addressesOfAMD }
}
