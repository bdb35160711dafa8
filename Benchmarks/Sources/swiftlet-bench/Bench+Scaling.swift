import FoundationEssentials
import Glibc
import Machine
import Memslots
import Pictures

extension Bench {
    /// Measures time and memory against the number of slots, up to KVM's limit. Writes a table (CSV) and two plots (SVG).
    ///
    /// Each round has all numbers of slots, the small ones several times, so that a slow minute of the host slows all of them.
    /// Every other round goes downwards. Each number begins after a pause, so that the kernel's work after many slots does not
    /// fall on few.
    mutating func scaling() throws {
        results.begin(name, "one-page slots at random addresses, all in a transaction; C: a loop")
        let counts = [32, 128, 512, 2048, 8192, 32763]
        let size = UInt64(counts.max() ?? 0) * Page.size
        let (machine, backing) = try GuestMachine.forBenchmark(spareMemory: size)
        let floor = FloorMachine(code: [0xf4], spareMemory: size)
        let loads = counts.map { count in
            Load(
                pages: ScatteredPages(count: count, order: .random, backing: backing),
                repeats: max(1, 4096 / count))
        }
        func inTurns(_ round: inout Int, _ phases: (ScatteredPages) throws -> [Elapsed]) rethrows -> [Elapsed] {
            round += 1
            let goesUp = round % 2 == 0
            let sums = try (goesUp ? loads : loads.reversed()).map { try $0.sums(phases) }
            return (goesUp ? sums : sums.reversed()).flatMap { $0 }
        }
        var (floorRound, swiftletRound) = (0, 0)
        let first = results.comparisons.count
        try compare(
            loads.flatMap { load in
                ["create", "delete"].map {
                    Phase(name: "\(load.pages.count) slots: \($0)", operations: load.pages.count * load.repeats)
                }
            }, rounds: rounds(9),
            baseline: {
                inTurns(&floorRound) { pages in
                    [elapsed { floor.set(pages.slots) }, elapsed { floor.delete(pages.slots) }]
                }
            },
            swiftlet: {
                try inTurns(&swiftletRound) { pages in
                    let ranges = pages.ranges
                    return [
                        try elapsed { try machine.changeMemory(adding: pages.mappings) },
                        try elapsed { try machine.changeMemory(removing: ranges) },
                    ]
                }
            })
        var rows: [ScalingRow] = []
        for (number, load) in loads.enumerated() {
            let create = results.comparisons[first + 2 * number]
            let delete = results.comparisons[first + 2 * number + 1]
            let memory = try memory(of: load.pages, in: machine)
            rows.append(
                ScalingRow(
                    slots: load.pages.count, floorCreate: create.baselineSeconds.median,
                    create: create.swiftletSeconds.median, floorDelete: delete.baselineSeconds.median,
                    delete: delete.swiftletSeconds.median, kernelBytes: memory.kernel, tableBytes: memory.table))
        }
        try write(rows)
    }

    /// Slots that are created and deleted, and how often this is done in a round.
    private struct Load {
        let pages: ScatteredPages
        let repeats: Int

        /// Returns the sums of the times of two phases.
        func sums(_ phases: (ScatteredPages) throws -> [Elapsed]) rethrows -> [Elapsed] {
            usleep(500_000)
            var sums = [Elapsed.none, .none]
            for _ in 0..<repeats {
                sums = zip(sums, try phases(pages)).map { $0 + $1 }
            }
            return sums
        }
    }

    /// Returns the bytes that a slot takes in the kernel and in Swiftlet's table.
    private func memory(of pages: ScatteredPages, in machine: GuestMachine) throws -> (kernel: Double, table: Double) {
        let emptyTable = machine.slots.byteSize
        let before = try HostMemory()
        try machine.changeMemory(adding: pages.mappings)
        let after = try HostMemory()
        let table = machine.slots.byteSize - emptyTable
        try machine.changeMemory(removing: pages.ranges)
        let kernel = after.vmallocUsed + after.slab - before.vmallocUsed - before.slab
        return (kernel / Double(pages.count), Double(table) / Double(pages.count))
    }

    private mutating func write(_ rows: [ScalingRow]) throws {
        let directory = URL(filePath: options.output)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let csv = ([ScalingRow.header] + rows.map(\.csv)).joined(separator: "\n") + "\n"
        for (file, text) in [
            ("scaling.csv", csv), ("scaling-time.svg", Plot.scalingTime(rows).text),
            ("scaling-memory.svg", Plot.scalingMemory(rows).text),
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

    /// Returns the power of x with which y grows. It is the slope of the line through the logarithms by least squares.
    private static func exponent(_ points: [(x: Double, y: Double)]) -> Double {
        let logarithms = points.filter { $0.y > 0 }.map { (x: log($0.x), y: log($0.y)) }
        let count = Double(logarithms.count)
        let x = logarithms.map(\.x).reduce(0, +) / count
        let y = logarithms.map(\.y).reduce(0, +) / count
        let covariance = logarithms.map { ($0.x - x) * ($0.y - y) }.reduce(0, +)
        return covariance / logarithms.map { ($0.x - x) * ($0.x - x) }.reduce(0, +)
    }
}

/// The cost of one slot among a number of slots, in seconds and bytes.
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
