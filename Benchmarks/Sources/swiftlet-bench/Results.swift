/// The result of a task that was done in two ways, in turns.
struct Comparison: Encodable {
    let benchmark: String
    let task: String
    /// The name of the other way, with which Swiftlet is compared.
    let baseline: String
    /// The number of times that each round does the task on each side.
    let operations: Int
    let rounds: Int
    /// The seconds for one operation.
    let baselineSeconds: Quartiles
    let swiftletSeconds: Quartiles
    /// Swiftlet's time divided by the baseline's in the same round.
    let ratio: Quartiles
    /// The same ratio of processor times.
    let processorRatio: Quartiles?
    /// The user instructions of one operation, as the median.
    let baselineInstructions: Double?
    let swiftletInstructions: Double?
    /// The fastest round of Swiftlet divided by the fastest round of the baseline. It leaves out noise that only adds time.
    let ratioOfMinima: Double
    /// The largest ratio that is wanted. Nil if there is no target.
    let target: Double?

    init(
        benchmark: String, task: String, baseline: String, operations: Int, target: Double?,
        baselineTimes: [Elapsed], swiftletTimes: [Elapsed]
    ) {
        self.benchmark = benchmark
        self.task = task
        self.baseline = baseline
        self.operations = operations
        self.target = target
        rounds = baselineTimes.count
        let pairs = zip(swiftletTimes, baselineTimes)
        baselineSeconds = Quartiles(baselineTimes.map { $0.wall / Double(operations) })
        swiftletSeconds = Quartiles(swiftletTimes.map { $0.wall / Double(operations) })
        ratio = Quartiles(pairs.map { $0.wall / $1.wall })
        ratioOfMinima = swiftletSeconds.minimum / baselineSeconds.minimum
        let processor = pairs.compactMap { ours, floor -> Double? in
            guard let ours = ours.processor, let floor = floor.processor, floor > 0 else { return nil }
            return ours / floor
        }
        processorRatio = processor.isEmpty ? nil : Quartiles(processor)
        func instructions(_ times: [Elapsed]) -> Double? {
            let counts = times.compactMap(\.instructions)
            return counts.count < times.count ? nil : Quartiles(counts).median / Double(operations)
        }
        baselineInstructions = instructions(baselineTimes)
        swiftletInstructions = instructions(swiftletTimes)
    }
}

/// A result that is not a time, or not a comparison.
struct Figure: Encodable {
    let benchmark: String
    let what: String
    let values: [Value]

    struct Value: Encodable {
        let name: String
        let value: Double
    }

    init(_ benchmark: String, _ what: String, _ values: KeyValuePairs<String, Double>) {
        self.benchmark = benchmark
        self.what = what
        self.values = values.map { Value(name: $0.key, value: $0.value) }
    }
}

/// The results so far, each of which is shown as it comes.
struct Results: Encodable {
    var host: String
    var date: String
    private(set) var comparisons: [Comparison] = []
    private(set) var figures: [Figure] = []
    private let isShown: Bool

    private enum CodingKeys: CodingKey {
        case host, date, comparisons, figures
    }

    init(host: String, date: String, isShown: Bool) {
        self.host = host
        self.date = date
        self.isShown = isShown
        show("\(host)\n\(date)")
    }

    private func show(_ text: String) {
        if isShown {
            printOut(text + "\n")
        }
    }

    mutating func begin(_ benchmark: String, _ about: String) {
        show("\n\(benchmark): \(about)")
        shownHeader = false
    }

    private var shownHeader = false

    mutating func add(_ figure: Figure) {
        figures.append(figure)
        let values = figure.values.map { "\($0.name) \(decimal($0.value))" }
        show("  \(figure.what): \(values.joined(separator: ", "))")
    }

    mutating func add(_ comparison: Comparison) {
        comparisons.append(comparison)
        if !shownHeader {
            show(
                line([
                    "task", "baseline", "rounds", "baseline", "swiftlet", "ratio", "[quartiles]", "minima",
                    "processor", "[quartiles]", "C instr", "instr", "target",
                ]))
            shownHeader = true
        }
        let ratio = comparison.ratio
        let processor = comparison.processorRatio
        show(
            line([
                comparison.task, comparison.baseline, "\(comparison.rounds)",
                time(comparison.baselineSeconds.median), time(comparison.swiftletSeconds.median), decimal(ratio.median),
                "[\(decimal(ratio.lower)), \(decimal(ratio.upper))]", decimal(comparison.ratioOfMinima),
                processor.map { decimal($0.median) } ?? "-",
                processor.map { "[\(decimal($0.lower)), \(decimal($0.upper))]" } ?? "-",
                comparison.baselineInstructions.map { decimal($0) } ?? "-",
                comparison.swiftletInstructions.map { decimal($0) } ?? "-",
                comparison.target.map { (ratio.median <= $0 ? "" : "above ") + decimal($0) } ?? "-",
            ]))
    }

    private func line(_ cells: [String]) -> String {
        let widths = [-50, -12, 7, 10, 10, 7, 16, 7, 9, 16, 9, 9, 11]
        return "  "
            + zip(cells, widths).map { cell, width in
                let padding = String(repeating: " ", count: max(0, abs(width) - cell.count))
                return width < 0 ? cell + padding : padding + cell
            }.joined(separator: " ")
    }
}

/// Returns the number with three significant digits, but without rounding its whole part.
func decimal(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    var digits = 3
    var bound = 1.0
    while digits > 0, abs(value) >= bound {
        bound *= 10
        digits -= 1
    }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (value * scale).rounded()
    guard digits > 0, abs(scaled) < 1e15 else { return "\(Int64(scaled))" }
    let whole = String(Int64(abs(scaled)))
    let padded = String(repeating: "0", count: max(0, digits + 1 - whole.count)) + whole
    return (scaled < 0 ? "-" : "") + padded.dropLast(digits) + "." + padded.suffix(digits)
}

/// Returns a time in the most readable unit.
func time(_ seconds: Double) -> String {
    if seconds < 1e-6 { return decimal(seconds * 1e9) + " ns" }
    if seconds < 1e-3 { return decimal(seconds * 1e6) + " us" }
    return seconds < 1 ? decimal(seconds * 1e3) + " ms" : decimal(seconds) + " s"
}
