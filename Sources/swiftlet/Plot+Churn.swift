import Laboratory
import Pictures

extension Plot {
    /// A plot of the share of changes that take at most so long, parked and unparked.
    static func churn(_ result: ChurnResult) -> Plot {
        let interrupted = result.interrupted ? "Interrupted. " : ""
        return churn(
            title: "\(Figures.count(result.operations, "change")) of slots under running vCPUs",
            detail: "\(interrupted)The vCPUs made \(Figures.grouped(result.guestChecks)) checks and found "
                + "\(Figures.grouped(result.guestErrors)) errors. Half of the changes parked the vCPUs first.",
            parked: result.parked?.latencies ?? Latencies(), unparked: result.unparked?.latencies ?? Latencies())
    }

    /// The number n on the vertical axis means that one of n changes takes longer, so that the longest of many can be seen: 2 is
    /// 50 %, 100 is 99 %. The longest change of all stands at the end of the axis.
    static func churn(title: String, detail: String, parked: Latencies, unparked: Latencies) -> Plot {
        var end = 200.0
        while end < 2 * Double(max(parked.count, unparked.count)) { end *= 10 }
        return Plot(
            title: title, detail: detail, nothing: "no changes were made",
            // A label is to have room on either side.
            x: Axis("latency of a change", words: \.time, margin: 0.1),
            y: Axis(
                "share of the changes that take at most so long",
                words: { $0.value < end ? share($0) : "max" }, including: [1, end]),
            series: [series("parked", parked, end: end), series("unparked", unparked, end: end)])
    }

    /// The share of the changes that do not take longer: `0 %`, `50 %`, `90 %`, `99 %`, `99.9 %`.
    private static func share(_ tick: LogTick) -> String? {
        switch (tick.mantissa, tick.exponent) {
        case (1, 0): "0 %"
        case (2, 0): "50 %"
        case (1, 1): "90 %"
        case (1, 2): "99 %"
        case (1, let exponent) where exponent > 2: "99.\(String(repeating: "9", count: exponent - 2)) %"
        default: nil
        }
    }

    /// The latencies of one kind of change as steps from the shortest to the longest, with marks at p50 and p99.
    private static func series(_ name: String, _ latencies: Latencies, end: Double) -> Series {
        let (sorted, count) = (latencies.microseconds.sorted(), Double(latencies.count))
        let steps = sorted.enumerated().flatMap { rank, latency in
            [rank, rank + 1].map { Point(latency, $0 == sorted.count ? end : count / (count - Double($0))) }
        }
        let line: Trace = (.line, Figures.count(sorted.count, "change"), steps)
        guard let summary = latencies.summary else { return (name, [line]) }
        let marks = zip(summary.words, [(summary.p50, 2), (summary.p99, 100)]).map { words, place -> Trace in
            (.marks, words, [Point(place.0, place.1, tooltip: "\(name)\n\(words)", label: words)])
        }
        return (name, [line] + marks + [(.words, summary.words[2], [])])
    }
}
