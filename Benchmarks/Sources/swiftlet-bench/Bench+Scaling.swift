import FoundationEssentials
import Glibc
import Machine
import Memslots

extension Bench {
    /// Time and memory against the number of slots, up to KVM's limit, as a table (CSV) and two plots (SVG).
    mutating func scaling() throws {
        results.begin(name, "one-page slots at random addresses, all in a transaction; C: a loop")
        var rows: [ScalingRow] = []
        for count in [32, 128, 512, 2048, 8192, 32763] {
            rows.append(try scaling(count))
        }
        let directory = URL(filePath: options.output)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let csv = ([ScalingRow.header] + rows.map(\.csv)).joined(separator: "\n") + "\n"
        for (file, text) in [
            ("scaling.csv", csv), ("scaling-time.svg", ScalingPlot.time(rows)),
            ("scaling-memory.svg", ScalingPlot.memory(rows)),
        ] {
            try Data(text.utf8).write(to: directory.appending(path: file))
        }
        let slopes = { (value: (ScalingRow) -> Double) in
            Self.exponent(rows.map { (Double($0.slots), value($0) * Double($0.slots)) })
        }
        results.add(
            Figure(
                name, "slopes: what is wanted grows with the slots to the power of",
                [
                    "C create": slopes(\.floorCreate), "swiftlet create": slopes(\.create),
                    "C delete": slopes(\.floorDelete), "swiftlet delete": slopes(\.delete),
                    "kernel memory": slopes(\.kernelBytes), "table": slopes(\.tableBytes),
                ]))
        results.add(Figure(name, "written into \(options.output)", ["rows": Double(rows.count)]))
    }

    private mutating func scaling(_ count: Int) throws -> ScalingRow {
        let size = UInt64(count) * Page.size
        let (machine, backing) = try GuestMachine.forBenchmark(spareMemory: size)
        let floor = FloorMachine(code: [0xf4], spareMemory: size)
        let pages = ScatteredPages(count: count, order: .random, backingOffset: backing.offset)
        let ranges = pages.ranges
        let first = results.comparisons.count
        try compare(
            ["create", "delete"].map { Phase(name: "\(count) slots: \($0)", operations: count) },
            rounds: rounds(min(200, max(5, 40_000 / count))),
            baseline: { [elapsed { floor.set(pages.slots) }, elapsed { floor.delete(pages.slots) }] },
            swiftlet: {
                [
                    try elapsed { try machine.changeMemory(adding: pages.mappings) },
                    try elapsed { try machine.changeMemory(removing: ranges) },
                ]
            })
        let (create, delete) = (results.comparisons[first], results.comparisons[first + 1])
        let emptyTable = machine.slots.byteSize
        let before = try HostMemory()
        try machine.changeMemory(adding: pages.mappings)
        let after = try HostMemory()
        let tableBytes = machine.slots.byteSize - emptyTable
        try machine.changeMemory(removing: ranges)
        return ScalingRow(
            slots: count, floorCreate: create.baselineSeconds.median, create: create.swiftletSeconds.median,
            floorDelete: delete.baselineSeconds.median, delete: delete.swiftletSeconds.median,
            kernelBytes: (after.vmallocUsed + after.slab - before.vmallocUsed - before.slab) / Double(count),
            tableBytes: Double(tableBytes) / Double(count))
    }

    /// The power of x to which y grows: the slope of the line through the logarithms that leaves the least squares.
    private static func exponent(_ points: [(x: Double, y: Double)]) -> Double {
        let logarithms = points.filter { $0.y > 0 }.map { (x: log($0.x), y: log($0.y)) }
        let count = Double(logarithms.count)
        let x = logarithms.map(\.x).reduce(0, +) / count
        let y = logarithms.map(\.y).reduce(0, +) / count
        let covariance = logarithms.map { ($0.x - x) * ($0.y - y) }.reduce(0, +)
        return covariance / logarithms.map { ($0.x - x) * ($0.x - x) }.reduce(0, +)
    }
}

/// What a slot costs among so many, in seconds and bytes.
struct ScalingRow {
    let slots: Int
    let floorCreate: Double
    let create: Double
    let floorDelete: Double
    let delete: Double
    let kernelBytes: Double
    let tableBytes: Double

    static let header =
        "slots,C create us,swiftlet create us,C delete us,swiftlet delete us,kernel bytes a slot,table bytes a slot"

    var csv: String {
        let times = [floorCreate, create, floorDelete, delete].map { decimal($0 * 1e6) }
        return (["\(slots)"] + times + [decimal(kernelBytes), decimal(tableBytes)]).joined(separator: ",")
    }
}
