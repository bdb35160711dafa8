import FoundationEssentials

extension Bench {
    /// `swiftlet run` against the least monitor in C, as processes.
    mutating func start() throws {
        results.begin(name, "processes from before their start, until the guest has said its greeting and exited")
        for guest in ["hello-real", "hello"] {
            try start(guest)
        }
    }

    private mutating func start(_ guest: String) throws {
        var reports: [String: [StartReport]] = [:]
        func run(_ arguments: [String]) throws -> [Elapsed] {
            let child = ChildProcess(arguments)
            guard child.hasSucceeded else { throw BenchError("\(arguments[0]) failed: \(child.report)") }
            var report = try JSONDecoder().decode(StartReport.self, from: Data(child.report.utf8))
            report.millisecondsToFirstByte = child.firstByte * 1000
            reports[arguments[0], default: []].append(report)
            return [Elapsed(wall: child.firstByte), Elapsed(wall: child.end, processor: child.processor)]
        }
        let (swiftlet, floor) = (options.swiftlet, options.floorMonitor)
        try compare(
            [
                Phase(name: "\(guest): to the first byte", operations: 1),
                Phase(name: "\(guest): to the end", operations: 1),
            ], rounds: rounds(200), baseline: { try run([floor]) },
            swiftlet: { try run([swiftlet, "run", guest, "--report", "-"]) })
        let behind = { (time: (StartReport) -> Double) in
            Quartiles((reports[swiftlet] ?? []).map(time)).median - Quartiles((reports[floor] ?? []).map(time)).median
        }
        results.add(
            Figure(
                name, "\(guest), behind C; at most 3 and 1.5 wanted",
                [
                    "ms to first KVM_RUN": behind(\.microsecondsToFirstRun) / 1000,
                    "ms to the first byte": behind(\.millisecondsToFirstByte),
                ]))
        for (monitor, path) in [("C", floor), ("swiftlet", swiftlet)] {
            let reports = reports[path] ?? []
            let first = Quartiles(reports.map(\.microsecondsToFirstRun))
            results.add(
                Figure(
                    name, "\(guest), \(monitor) by its own account",
                    [
                        "us to first KVM_RUN": first.median, "lower quartile": first.lower,
                        "upper quartile": first.upper, "minimum": first.minimum,
                        "peak KiB": Quartiles(reports.map(\.peakRSSBytes)).median / 1024,
                    ]))
        }
    }
}

/// What both monitors report.
private struct StartReport: Decodable {
    let microsecondsToFirstRun: Double
    let peakRSSBytes: Double
    /// Seen from outside.
    var millisecondsToFirstByte = 0.0

    private enum CodingKeys: CodingKey {
        case microsecondsToFirstRun, peakRSSBytes
    }
}

/// Why a benchmark could not be run.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
