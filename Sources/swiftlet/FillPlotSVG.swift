import Laboratory
import Pictures

/// A plot of how long adds and deletes take by the number of slots that there are, both axes logarithmic.
struct FillPlotSVG {
    let text: String

    init(_ result: FillResult) {
        let times = [result.addSeconds, result.deleteSeconds].map { Figures.time($0 * 1e6) }
        let interrupted = result.interrupted ? "Interrupted. " : ""
        self.init(
            title: "\(Figures.grouped(result.created, "slot")) added in \(times[0]), deleted in \(times[1])",
            detail: "\(interrupted)KVM's limit is \(Figures.grouped(result.limit)) slots. "
                + "Each change is a transaction of its own; no vCPU runs.",
            adds: result.addMicroseconds?.latencies ?? Latencies(),
            deletes: result.deleteMicroseconds?.latencies ?? Latencies())
    }

    /// The n-th add finds n slots, the n-th delete n less than were added.
    init(title: String, detail: String, adds: Latencies, deletes: Latencies) {
        let buckets = SlotBucket.all(of: adds.count)
        // A change among n and n + 1 slots stands at n + 1, so that a logarithmic axis has a place for each.
        let series: [(PlotFrame.Series, String, Latencies, [Point])] = [
            (.first, "add", adds, Self.points(buckets) { adds[($0.first - 1)..<$0.last] }),
            (
                .second, "delete", deletes,
                Self.points(buckets) { bucket in
                    let (next, end) = (adds.count - bucket.last, adds.count - bucket.first + 1)
                    return deletes[min(next, deletes.count)..<min(end, deletes.count)]
                }
            ),
        ]
        let all = series.flatMap { $0.3 }.map(\.summary)
        let x = LogAxis(from: 1, to: Double(max(adds.count, 10)), at: PlotFrame.left, PlotFrame.right)
        let y = LogAxis(
            from: max(all.map(\.p50).min() ?? 1, PlotFrame.shortest),
            to: max(all.map(\.max).max() ?? 1000, PlotFrame.shortest), margin: 0.03, at: PlotFrame.bottom, PlotFrame.top
        )

        var canvas = SVGCanvas()
        PlotFrame.draw(
            heading: title, detail: detail,
            x: (x.lines(words: \.count, room: PlotFrame.widthOfWord), "slots, with the one that is added or deleted"),
            y: (y.lines(words: \.time, room: PlotFrame.heightOfWord), "latency of a transaction"), on: &canvas)
        PlotFrame.drawNote(
            "Each point stands for the changes among similarly many slots. p99 begins where these are 100 or more.",
            on: &canvas)
        for (series, name, latencies, points) in series {
            Self.legend(name, latencies).draw(series, on: &canvas)
            Self.draw(points, as: series, name, x, y, on: &canvas)
        }
        if all.isEmpty { PlotFrame.drawNothing("no slots were added", on: &canvas) }
        text = canvas.document(title: title, height: PlotFrame.height, paints: PlotFrame.paints)
    }

    /// The changes of a bucket.
    private struct Point {
        let bucket: SlotBucket
        let changes: Int
        let summary: Latencies.Summary

        /// Of fewer than 100, it would be the longest.
        var hasP99: Bool { changes >= 100 }
    }

    private static func points(_ buckets: [SlotBucket], _ latencies: (SlotBucket) -> Latencies) -> [Point] {
        buckets.compactMap { bucket in
            let latencies = latencies(bucket)
            return latencies.summary.map { Point(bucket: bucket, changes: latencies.count, summary: $0) }
        }
    }

    private static func legend(_ name: String, _ latencies: Latencies) -> PlotFrame.Legend {
        let name = Figures.grouped(latencies.count, name)
        guard let summary = latencies.summary else { return PlotFrame.Legend(name: name, entries: []) }
        return PlotFrame.Legend(
            name: name,
            entries: [
                .init(sample: .line, words: "p50 \(Figures.time(summary.p50))"),
                .init(sample: .dashes, words: "p99 \(Figures.time(summary.p99))"),
                .init(sample: .mark, words: "max \(Figures.time(summary.max))"),
            ])
    }

    private static func draw(
        _ points: [Point], as series: PlotFrame.Series, _ name: String, _ x: LogAxis, _ y: LogAxis,
        on canvas: inout SVGCanvas
    ) {
        func line(through points: [Point], _ latency: (Latencies.Summary) -> Double) -> String {
            let places = points.map { point in
                "\(pixels(x.position(of: point.bucket.middle))) \(pixels(y.position(of: latency(point.summary))))"
            }
            return places.isEmpty ? "" : "M" + places.joined(separator: "L")
        }
        canvas.path(line(through: points.filter(\.hasP99), \.p99), style: series.dashes)
        canvas.path(line(through: points, \.p50), style: series.line)
        for point in points {
            let (bucket, summary) = (point.bucket, point.summary)
            let mark = series.mark(x.position(of: bucket.middle), y.position(of: summary.max))
            let times =
                "p50 \(Figures.time(summary.p50)), p99 \(Figures.time(summary.p99)), max \(Figures.time(summary.max))"
            canvas.path(
                mark, style: series.mark,
                tooltip: "\(Figures.grouped(point.changes, name)) among \(bucket.words)\n\(times)")
        }
    }
}

/// Numbers of slots that are drawn as one point; each bucket is about a third wider than the one before.
struct SlotBucket: Equatable {
    let first: Int
    let last: Int

    /// In the middle of its place on a logarithmic axis.
    var middle: Double { (Double(first) * Double(last)).squareRoot() }

    var words: String {
        (first < last ? "\(Figures.grouped(first)) to " : "") + Figures.grouped(last, "slot")
    }

    /// All numbers from 1 to `count`, each in one bucket.
    static func all(of count: Int) -> [SlotBucket] {
        var buckets: [SlotBucket] = []
        var first = 1
        while first <= count {
            let next = first + max(1, first / 3)
            // What remains is no bucket of its own if it is less than half of one.
            let isLast = count - next < (next - first) / 2
            buckets.append(SlotBucket(first: first, last: isLast ? count : next - 1))
            first = isLast ? count + 1 : next
        }
        return buckets
    }
}
