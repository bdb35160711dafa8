import Laboratory
import Pictures

extension Plot {
    /// A plot of how long adds and deletes take by the number of slots that there are.
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

    /// The n-th add finds n slots, the n-th delete n less than were added.
    static func fill(title: String, detail: String, adds: Latencies, deletes: Latencies) -> Plot {
        // A change among n and n + 1 slots stands at n + 1, so that a logarithmic axis has a place for each.
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
            // The p99 of fewer changes would be the longest.
            if latencies.count >= 100 { p99.append(Point(middle, summary.p99)) }
            let slots = (first < last ? "\(Figures.grouped(first)) to " : "") + Figures.count(last, "slot")
            let times = summary.words.joined(separator: ", ")
            let tooltip = "\(Figures.count(latencies.count, name)) among \(slots)\n\(times)"
            longest.append(Point(middle, summary.max, tooltip: tooltip))
        }
        let traces: [(Shape, [Point])] = [(.line, p50), (.dashes, p99), (.marks, longest)]
        return (Figures.count(all.count, name), zip(all.summary?.words ?? [], traces).map { ($1.0, $0, $1.1) })
    }

    /// All numbers of slots from 1 to `count`, each in one bucket that is drawn as a point. A bucket is about a third wider than
    /// the one before.
    static func slotBuckets(of count: Int) -> [ClosedRange<Int>] {
        var buckets: [ClosedRange<Int>] = []
        var first = 1
        while first <= count {
            let next = first + max(1, first / 3)
            // The rest is no bucket of its own if it is less than half of one.
            let last = count - next < (next - first) / 2 ? count : next - 1
            buckets.append(first...last)
            first = last + 1
        }
        return buckets
    }
}

extension LatencySummary {
    /// `p50 7.25 us`, and the same of p99 and of the longest.
    var words: [String] {
        [("p50", p50), ("p99", p99), ("max", max)].map { "\($0) \(Figures.time($1))" }
    }
}
