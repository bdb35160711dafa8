import Laboratory
import Pictures

extension Plot {
    /// A plot of each price against the price of its system calls alone. If an operation is only system calls, both are the
    /// same.
    static func prices(_ result: PriceResult) -> Plot {
        func points(_ hasVCPUs: Bool) -> [Point] {
            result.rowList.filter { ($0.cell.vcpus > 0) == hasVCPUs }.map { row in
                let alone = row.systemCalls ?? row.microseconds
                let words = row.microseconds.words.joined(separator: ", ")
                return Point(
                    alone.p50, row.microseconds.p50,
                    tooltip: "\(row.cell)\n\(words)\ncalls alone: \(alone.words.joined(separator: ", "))")
            }
        }
        return scatter(
            title: "Prices of \(Figures.count(result.rowList.count, "cell"))",
            detail: "\(result.interrupted ? "Interrupted. " : "")Medians; on the line Swiftlet adds nothing.",
            x: "the system calls alone", y: "by Swiftlet",
            [("no vCPU runs", points(false)), ("beside vCPUs", points(true))])
    }

    /// A plot of the second run's prices against those of the first. Prices that differ are a series of their own.
    static func comparison(_ result: PriceComparison, note: String) -> Plot {
        func points(_ verdicts: Set<PriceComparison.Verdict>) -> [Point] {
            result.rowList.filter { verdicts.contains($0.verdict) }.map { row in
                Point(
                    row.a, row.a * row.ratio,
                    tooltip: "\(row.cell)\n\(Figures.time(row.a)), \(Figures.time(row.b)), \(row.verdict.rawValue)")
            }
        }
        return scatter(
            title: "Prices of \(Figures.count(result.rowList.count, "cell")) in two runs",
            detail: "Medians, those of B corrected by the reference work; on the line both are equal.",
            note: note, x: "A", y: "B",
            [("equal or noisy", points([.equal, .noisy])), ("different", points([.slower, .faster]))])
    }

    private static func scatter(
        title: String, detail: String, note: String = "", x: String, y: String,
        _ series: [(name: String, points: [Point])]
    ) -> Plot {
        let times = series.flatMap(\.points).flatMap { [$0.x, $0.y] }
        let ends = [times.min() ?? 1, times.max() ?? 1]
        return Plot(
            title: title, detail: detail, note: note, nothing: "nothing was measured",
            x: Axis(x, words: \.time, margin: 0.05, including: ends),
            y: Axis(y, words: \.time, margin: 0.05, including: ends),
            series: series.enumerated().map { number, series in
                let line: [Trace] = number == 0 ? [(.dashes, "equal", ends.map { Point($0, $0) })] : []
                let marks: Trace = (.marks, Figures.count(series.points.count, "cell"), series.points)
                return (series.name, line + [marks])
            })
    }
}
