import Laboratory
import Pictures

extension Plot {
    /// A plot of the latencies of adds and deletes by the number of slots that exist.
    static func fill(_ result: FillResult) -> Plot {
        let times = [result.addSeconds, result.deleteSeconds].map { Figures.time($0 * 1e6) }
        let interrupted = result.interrupted ? "Interrupted. " : ""
        return fill(
            title: "\(Figures.count(result.created, "slot")) added in \(times[0]), deleted in \(times[1])",
            detail: "\(interrupted)KVM's limit is \(Figures.grouped(result.limit)) slots. "
                + "Each change is a transaction of its own; no vCPU runs.",
            adds: result.addMicroseconds?.latencies ?? Latencies(),
            deletes: result.deleteMicroseconds?.latencies ?? Latencies())
    }

    /// Makes the plot. The n-th add finds n slots, and the n-th delete finds n fewer than were added, both counted from 0.
    static func fill(title: String, detail: String, adds: Latencies, deletes: Latencies) -> Plot {
        // A change between n and n + 1 slots stands at n + 1, so that a logarithmic axis has a place for each.
        let added = slotBuckets(of: adds.count).map { ($0, Latencies(adds[($0.lowerBound - 1)..<$0.upperBound])) }
        let deleted = slotBuckets(of: adds.count).map { bucket in
            let (next, end) = (adds.count - bucket.upperBound, adds.count - bucket.lowerBound + 1)
            return (bucket, Latencies(deletes[min(next, deletes.count)..<min(end, deletes.count)]))
        }
        let count = Double(max(adds.count, 10))
        return Plot(
            title: title, detail: detail,
            note: "Each point stands for changes among similarly many slots. p99 begins where these are 100 or more.",
            nothing: "no slots were added",
            x: Axis("slots, with the one that is added or deleted", words: \.count, including: [1, count]),
            y: Axis("latency of a transaction", words: \.time, margin: 0.03),
            series: [series("add", adds, added), series("delete", deletes, deleted)])
    }

    private static func series(_ name: String, _ all: Latencies, _ parts: [(ClosedRange<Int>, Latencies)]) -> Series {
        var (p50, p99, longest): ([Point], [Point], [Point]) = ([], [], [])
        for (bucket, latencies) in parts {
            guard let summary = latencies.summary else { continue }
            let (first, last) = (bucket.lowerBound, bucket.upperBound)
            let middle = (Double(first) * Double(last)).squareRoot()
            p50.append(Point(middle, summary.p50))
            // With fewer changes, p99 would be the longest.
            if latencies.count >= 100 { p99.append(Point(middle, summary.p99)) }
            let slots = (first < last ? "\(Figures.grouped(first)) to " : "") + Figures.count(last, "slot")
            let times = summary.words.joined(separator: ", ")
            let tooltip = "\(Figures.count(latencies.count, name)) among \(slots)\n\(times)"
            longest.append(Point(middle, summary.max, tooltip: tooltip))
        }
        let traces: [(Shape, [Point])] = [(.line, p50), (.dashes, p99), (.marks, longest)]
        return (Figures.count(all.count, name), zip(all.summary?.words ?? [], traces).map { ($1.0, $0, $1.1) })
    }

    /// Divides the numbers of slots from 1 to `count` into buckets. Each bucket is drawn as a point, and is about a third wider
    /// than the one before it.
    static func slotBuckets(of count: Int) -> [ClosedRange<Int>] {
        var buckets: [ClosedRange<Int>] = []
        var first = 1
        while first <= count {
            let next = first + max(1, first / 3)
            // If the rest is less than half of a bucket, it joins the last bucket.
            let last = count - next < (next - first) / 2 ? count : next - 1
            buckets.append(first...last)
            first = last + 1
        }
        return buckets
    }
}

extension LatencySummary {
    /// Three texts: `p50 7.25 us`, and the like for p99 and for the longest latency.
    var words: [String] {
        [("p50", p50), ("p99", p99), ("max", max)].map { "\($0) \(Figures.time($1))" }
    }
}

// MARK: - Churn

extension Plot {
    /// A plot of the share of changes that take at most a given time, with the vCPUs parked and unparked.
    static func churn(_ result: ChurnResult) -> Plot {
        let interrupted = result.interrupted ? "Interrupted. " : ""
        return churn(
            title: "\(Figures.count(result.operations, "change")) of slots under running vCPUs",
            detail: "\(interrupted)The vCPUs made \(Figures.grouped(result.guestChecks)) checks and found "
                + "\(Figures.grouped(result.guestErrors)) errors. About half of the changes parked the vCPUs first.",
            parked: result.parked?.latencies ?? Latencies(), unparked: result.unparked?.latencies ?? Latencies())
    }

    /// Makes the plot. The number n on the vertical axis means that one of n changes takes longer: 2 is 50 %, 100 is 99 %. In
    /// this way the longest of many changes can be seen. The longest change of all stands at the end of the axis.
    static func churn(title: String, detail: String, parked: Latencies, unparked: Latencies) -> Plot {
        var end = 200.0
        while end < 2 * Double(max(parked.count, unparked.count)) { end *= 10 }
        return Plot(
            title: title, detail: detail, nothing: "no changes were made",
            // The margin gives labels room on both sides.
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

    /// The latencies of one kind of change, as steps from the shortest to the longest, with marks at p50 and p99.
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
