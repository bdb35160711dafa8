import Laboratory
import Pictures

/// A plot of the share of changes that take at most so long, parked and unparked; both axes are logarithmic, the vertical one
/// towards 100 %, so that the longest of many changes can be seen.
struct ChurnPlotSVG {
    let text: String

    init(_ result: ChurnResult) {
        let interrupted = result.interrupted ? "Interrupted. " : ""
        self.init(
            title: "\(Figures.grouped(result.operations, "change")) of slots under running vCPUs",
            detail: "\(interrupted)The vCPUs made \(Figures.grouped(result.guestChecks)) checks and found "
                + "\(Figures.grouped(result.guestErrors)) errors. Half of the changes parked the vCPUs first.",
            parked: result.parked?.latencies ?? Latencies(), unparked: result.unparked?.latencies ?? Latencies())
    }

    init(title: String, detail: String, parked: Latencies, unparked: Latencies) {
        let curves = [
            Curve(series: .first, name: "parked", latencies: parked),
            Curve(series: .second, name: "unparked", latencies: unparked),
        ]
        let all = curves.flatMap { [$0.sorted.first, $0.sorted.last].compactMap(\.self) }
        let x = LogAxis(
            from: max(all.min() ?? 1, PlotFrame.shortest), to: max(all.max() ?? 1000, PlotFrame.shortest),
            // A label is to have room on either side.
            margin: 0.1, at: PlotFrame.left, PlotFrame.right)
        let most = curves.map(\.sorted.count).max() ?? 0
        // The share of those that take longer: 0 for the longest of all, which stands at the end of the axis.
        let y = LogAxis(from: min(0.005, 0.5 / Double(max(most, 1))), to: 1, at: PlotFrame.top, PlotFrame.bottom)

        var canvas = SVGCanvas()
        PlotFrame.draw(
            heading: title, detail: detail,
            x: (x.lines(words: \.time, room: PlotFrame.widthOfWord), "latency of a change"),
            y: (Self.lines(of: y), "share of the changes that take at most so long"), on: &canvas)
        for curve in curves {
            curve.legend.draw(curve.series, on: &canvas)
            canvas.path(curve.path(x, y), style: curve.series.line)
        }
        for percent in [50, 99] {
            Self.drawMarks(curves, at: percent, x, y, on: &canvas)
        }
        if all.isEmpty { PlotFrame.drawNothing("no changes were made", on: &canvas) }
        text = canvas.document(title: title, height: PlotFrame.height, paints: PlotFrame.paints)
    }

    private static func lines(of axis: LogAxis) -> [AxisLine] {
        let lines = axis.lines(words: { $0 == axis.first ? nil : Self.share($0) }, room: PlotFrame.heightOfWord)
        return lines.dropFirst() + [AxisLine(position: axis.start, words: "max")]
    }

    /// The share of those that do not take longer: `0 %`, `50 %`, `90 %`, `99 %`, `99.9 %`.
    private static func share(_ longer: LogTick) -> String? {
        switch (longer.mantissa, longer.exponent) {
        case (1, 0): "0 %"
        case (5, -1): "50 %"
        case (1, -1): "90 %"
        case (1, -2): "99 %"
        case (1, let exponent) where exponent < -2: "99.\(String(repeating: "9", count: -2 - exponent)) %"
        default: nil
        }
    }

    /// Marks where the curves cross a percentile: the left one's words are above it and to the left, where no curve is, the
    /// other's below and to the right.
    private static func drawMarks(
        _ curves: [Curve], at percent: Int, _ x: LogAxis, _ y: LogAxis, on canvas: inout SVGCanvas
    ) {
        let marked = curves.filter { !$0.sorted.isEmpty }.sorted { $0.latency(percent) < $1.latency(percent) }
        for (index, curve) in marked.enumerated() {
            let latency = curve.latency(percent)
            let place = (x: x.position(of: latency), y: y.position(of: 1 - Double(percent) / 100))
            let words = "p\(percent) \(Figures.time(latency))"
            let isLeft = index + 1 < marked.count
            canvas.path(
                curve.series.mark(place.x, place.y), style: curve.series.mark, tooltip: "\(curve.name)\n\(words)")
            canvas.text(
                words, x: Int(place.x.rounded()) + (isLeft ? -10 : 10), y: Int(place.y.rounded()) + (isLeft ? -7 : 17),
                size: 13, style: "w", anchor: isLeft ? .end : .start, within: 150)
        }
    }
}

/// The latencies of one kind of change, as a curve that never falls.
private struct Curve {
    let series: PlotFrame.Series
    let name: String
    /// In microseconds, the shortest first.
    let sorted: [Double]
    let legend: PlotFrame.Legend

    init(series: PlotFrame.Series, name: String, latencies: Latencies) {
        self.series = series
        self.name = name
        sorted = latencies.microseconds.sorted()
        legend = PlotFrame.Legend(
            name: name,
            entries: [.init(sample: .line, words: Figures.grouped(latencies.count, "change"))]
                + (latencies.summary.map { summary in
                    [
                        .init(sample: .mark, words: "p50 \(Figures.time(summary.p50))"),
                        .init(sample: .mark, words: "p99 \(Figures.time(summary.p99))"),
                        .init(words: "max \(Figures.time(summary.max))"),
                    ]
                } ?? []))
    }

    /// The nearest rank, as in the summary: the step of the curve that crosses this share.
    private func rank(_ percent: Int) -> Int { max(1, (sorted.count * percent + 99) / 100) }

    func latency(_ percent: Int) -> Double { sorted[rank(percent) - 1] }

    /// Steps from the shortest at the bottom to the longest at the top. Steps that are too small to be seen are left out, but
    /// none with a mark on it.
    func path(_ x: LogAxis, _ y: LogAxis) -> String {
        guard let shortest = sorted.first else { return "" }
        let kept: Set = [1, rank(50), rank(99)]
        var path = "M\(pixels(x.position(of: shortest))) \(pixels(y.end))"
        var height = y.end
        for rank in 1...sorted.count {
            let isLast = rank == sorted.count
            let next = isLast ? y.start : y.position(of: 1 - Double(rank) / Double(sorted.count))
            guard height - next >= 2 || isLast || kept.contains(rank) else { continue }
            path += "H\(pixels(x.position(of: sorted[rank - 1])))V\(pixels(next))"
            height = next
        }
        return path
    }
}
