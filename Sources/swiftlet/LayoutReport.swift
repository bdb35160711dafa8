import Laboratory
import Layouts
import Machine
import Memslots
import PCI

/// What `layout --json` prints.
struct LayoutReport: Encodable {
    struct Pieces: Encodable {
        let mapped: Int
        let trapped: Int
    }

    struct Edits: Encodable {
        let build: EditCounts
        let sizing: EditCounts
        let placement: EditCounts
    }

    struct Seconds: Encodable {
        let build: Double
        let slots: Double
        let guest: Double
    }

    struct KernelBytes: Encodable {
        let predicted: UInt64
        let measured: UInt64
    }

    let layout: String
    let policy: SlotPolicy
    let functions: Int
    let pieces: Pieces
    let slots: PCIRun.SlotCounts
    let edits: Edits
    let seconds: Seconds
    let kernelBytes: KernelBytes
    /// All 0 where the guest did not come to say anything.
    let guest: PCIRun.GuestWord
    /// Pages in which the monitor did not find what the guest wrote.
    let hostMismatches: Int
    let ok: Bool

    init(_ layout: Layout, policy: SlotPolicy, _ run: PCIRun) {
        self.layout = layout.name
        self.policy = policy
        functions = layout.functions.count
        pieces = Pieces(
            mapped: run.memory.rows.filter { $0.mapping.owner != .ram }.count,
            trapped: run.memory.trapped.count)
        slots = run.slots
        edits = Edits(build: run.buildEdits, sizing: run.sizingEdits, placement: run.placementEdits)
        seconds = Seconds(
            build: Self.seconds(run.buildTime), slots: Self.seconds(run.slotTime), guest: Self.seconds(run.guestTime))
        kernelBytes = KernelBytes(predicted: run.predictedKernelBytes, measured: run.measuredKernelBytes)
        guest = run.guest ?? .none
        hostMismatches = run.hostMismatches
        ok = run.isOK(
            functions: layout.functions.count,
            interrupts: layout.functions.filter { $0.description.msix != nil && $0.description.doorbell != nil }.count)
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// What `layout` prints: the slot table and the totals.
struct LayoutText {
    let text: String

    init(_ report: LayoutReport, _ run: PCIRun) {
        let rows = run.memory.rows.map { row in
            [
                "\(row.mapping.owner)", "\(row.mapping.range)", Self.size(row.mapping.range.size), "\(row.slot)",
                row.mapping.access.rawValue,
            ]
        }
        let columns: [TextTable.Column] = [
            .left("owner"), .left("guest range"), .right("size"), .right("slot"), .left("access"),
        ]
        let slots = report.slots
        var totals = [
            ["functions", "\(report.functions)"],
            ["pieces", "\(report.pieces.mapped) mapped, \(report.pieces.trapped) trapped"],
            [
                "slots",
                "\(slots.bars) for BARs, \(slots.roms) for ROMs, \(slots.ram) for RAM; \(slots.total) of \(slots.limit) "
                    + "(\(report.policy.rawValue))",
            ],
            [
                "kernel memory",
                "\(Self.size(report.kernelBytes.predicted)) predicted, \(Self.size(report.kernelBytes.measured)) measured",
            ],
            [
                "built in",
                "\(Self.milliseconds(report.seconds.build)), slots \(Self.milliseconds(report.seconds.slots))",
            ],
            ["edits while sizing", Self.edits(report.edits.sizing)],
            ["edits while placing", Self.edits(report.edits.placement)],
        ]
        if run.guest != nil {
            let guest = report.guest
            totals.append([
                "guest",
                "\(guest.functions) functions, \(guest.bars) BARs, \(guest.bytesChecked) bytes checked, "
                    + "\(guest.mismatches) mismatches, \(guest.interrupts) interrupts, in \(Self.milliseconds(report.seconds.guest))",
            ])
        }
        totals.append(["ok", report.ok ? "yes" : "no"])
        text =
            TextTable(columns: columns, rows: rows).text + "\n\n"
            + TextTable(columns: [.left("\(report.layout)"), .left("")], rows: totals).text
    }

    static func size(_ bytes: UInt64) -> String {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] as [(String, UInt64)]
        where bytes >= 1 << shift {
            return "\(bytes >> shift) \(unit)"
        }
        return "\(bytes) B"
    }

    static func milliseconds(_ seconds: Double) -> String {
        "\((seconds * 10000).rounded() / 10) ms"
    }

    private static func edits(_ counts: EditCounts) -> String {
        "\(counts.created) created, \(counts.deleted) deleted, \(counts.moved) moved, \(counts.flagged) flagged"
    }
}
