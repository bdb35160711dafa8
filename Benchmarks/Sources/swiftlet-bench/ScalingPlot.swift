import Pictures

/// Draws rows of `scaling` with logarithmic axes.
enum ScalingPlot {
    static func time(_ rows: [ScalingRow]) -> String {
        draw(
            rows, title: "Time to create and delete a slot, by the number of slots",
            detail:
                "Random addresses; medians. Swiftlet changes all in one transaction, C in a loop; no vCPU runs.",
            unit: "time for one slot", words: \.time,
            series: [
                (
                    .first, "C",
                    [(.line, "create", { $0.floorCreate * 1e6 }), (.dashes, "delete", { $0.floorDelete * 1e6 })]
                ),
                (
                    .second, "Swiftlet",
                    [(.line, "create", { $0.create * 1e6 }), (.dashes, "delete", { $0.delete * 1e6 })]
                ),
            ])
    }

    static func memory(_ rows: [ScalingRow]) -> String {
        draw(
            rows, title: "Memory of a slot, by the number of slots",
            detail: "One-page slots. The kernel's is what VmallocUsed and Slab grew by, the table's is in user space.",
            unit: "bytes for one slot", words: \.count,
            series: [
                (.first, "kernel", [(.line, "bytes", \.kernelBytes)]),
                (.second, "Swiftlet's table", [(.line, "bytes", \.tableBytes)]),
            ])
    }

    private typealias Line = (sample: PlotFrame.Legend.Entry.Sample, words: String, value: (ScalingRow) -> Double)

    private static func draw(
        _ rows: [ScalingRow], title: String, detail: String, unit: String, words: (LogTick) -> String?,
        series: [(PlotFrame.Series, name: String, lines: [Line])]
    ) -> String {
        let values = series.flatMap(\.lines).flatMap { line in rows.map(line.value) }.filter { $0 > 0 }
        let x = LogAxis(
            from: Double(rows.first?.slots ?? 1), to: Double(rows.last?.slots ?? 10), at: PlotFrame.left,
            PlotFrame.right)
        let y = LogAxis(
            from: values.min() ?? 1, to: values.max() ?? 10, margin: 0.05, at: PlotFrame.bottom, PlotFrame.top)
        var canvas = SVGCanvas()
        PlotFrame.draw(
            heading: title, detail: detail, x: (x.lines(words: \.count, room: PlotFrame.widthOfWord), "slots"),
            y: (y.lines(words: words, room: PlotFrame.heightOfWord), unit), on: &canvas)
        for (series, name, lines) in series {
            PlotFrame.Legend(name: name, entries: lines.map { .init(sample: $0.sample, words: $0.words) })
                .draw(series, on: &canvas)
            for line in lines {
                let places = rows.filter { line.value($0) > 0 }.map { row in
                    (x: x.position(of: Double(row.slots)), y: y.position(of: line.value(row)))
                }
                let path = places.map { "\(pixels($0.x)) \(pixels($0.y))" }.joined(separator: "L")
                canvas.path("M" + path, style: line.sample == .dashes ? series.dashes : series.line)
                for place in places { canvas.path(series.mark(place.x, place.y), style: series.mark) }
            }
        }
        return canvas.document(title: title, height: PlotFrame.height, paints: PlotFrame.paints)
    }
}
