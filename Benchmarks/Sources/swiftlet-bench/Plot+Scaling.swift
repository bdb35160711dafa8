import Pictures

/// Plots of the rows of `scaling`.
extension Plot {
    static func scalingTime(_ rows: [ScalingRow]) -> Plot {
        Plot(
            title: "Time to create and delete a slot, by the number of slots",
            detail: "Random addresses; medians. Swiftlet changes all in one transaction, C in a loop; no vCPU runs.",
            x: Axis("slots", words: \.count), y: Axis("time for one slot", words: \.time, margin: 0.05),
            series: [
                series(
                    "C", rows,
                    [(.line, "create", { $0.floorCreate * 1e6 }), (.dashes, "delete", { $0.floorDelete * 1e6 })]),
                series(
                    "Swiftlet", rows,
                    [(.line, "create", { $0.create * 1e6 }), (.dashes, "delete", { $0.delete * 1e6 })]),
            ])
    }

    static func scalingMemory(_ rows: [ScalingRow]) -> Plot {
        Plot(
            title: "Memory of a slot, by the number of slots",
            detail: "One-page slots. The kernel's is what VmallocUsed and Slab grew by, the table's is in user space.",
            x: Axis("slots", words: \.count), y: Axis("bytes for one slot", words: \.count, margin: 0.05),
            series: [
                series("kernel", rows, [(.line, "bytes", \.kernelBytes)]),
                series("Swiftlet's table", rows, [(.line, "bytes", \.tableBytes)]),
            ])
    }

    private typealias Line = (shape: Shape, words: String, value: (ScalingRow) -> Double)

    private static func series(_ name: String, _ rows: [ScalingRow], _ lines: [Line]) -> Series {
        let traces = lines.flatMap { line -> [Trace] in
            let points = rows.filter { line.value($0) > 0 }.map { Point(Double($0.slots), line.value($0)) }
            return [(line.shape, line.words, points), (.marks, nil, points)]
        }
        return (name, traces)
    }
}
