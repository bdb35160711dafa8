import FoundationEssentials

extension Bench {
    /// Compares `swiftlet run` with the smallest monitor in C, as processes.
    mutating func start() throws {
        results.begin(name, "processes from before their start, until the guest has said its greeting and exited")
        for guest in ["hello-real", "hello"] {
            try start(guest)
        }
    }

    /// Compares runs without options, and with one option. Parsing an option takes longer than everything else.
    private mutating func start(_ guest: String) throws {
        let (swiftlet, floor) = (options.swiftlet, options.floorMonitor)
        var runs: [Monitor: [Run]] = [:]
        func run(_ monitor: Monitor) throws -> [Elapsed] {
            let arguments =
                switch monitor {
                case .floor: [floor]
                case .plain: [swiftlet, "run", guest]
                case .reporting: [swiftlet, "run", guest, "--report", "-"]
                }
            let child = ChildProcess(arguments)
            guard child.hasSucceeded else { throw BenchError("\(monitor.rawValue) failed: \(child.report)") }
            let report =
                monitor == .plain ? nil : try JSONDecoder().decode(StartReport.self, from: Data(child.report.utf8))
            runs[monitor, default: []].append(Run(firstByte: child.firstByte, report: report))
            return [Elapsed(wall: child.firstByte), Elapsed(wall: child.end, processor: child.processor)]
        }
        try compare(
            [Monitor.plain, .reporting].flatMap { monitor in
                ["to the first byte", "to the end"].map {
                    Phase(name: "\(guest), \(monitor.rawValue): \($0)", operations: 1)
                }
            }, rounds: rounds(200),
            baseline: {
                let elapsed = try run(.floor)
                return elapsed + elapsed
            }, swiftlet: { try run(.plain) + run(.reporting) })

        func median(_ monitor: Monitor, _ figure: (Run) -> Double?) -> Double {
            Quartiles((runs[monitor] ?? []).compactMap(figure)).median
        }
        func behind(_ monitor: Monitor, _ figure: (Run) -> Double?) -> Double {
            median(monitor, figure) - median(.floor, figure)
        }
        let floorFirstRun = median(.floor) { $0.report?.microsecondsToFirstRun } / 1000
        results.add(
            Figure(
                name, "\(guest), behind C in ms; at most 1.5 to the first byte and 3 to the first KVM_RUN wanted",
                [
                    "first byte, without options": behind(.plain, \.firstByte) * 1000,
                    "first byte, with --report": behind(.reporting, \.firstByte) * 1000,
                    "first KVM_RUN, with --report": behind(.reporting) { $0.report?.microsecondsToFirstRun } / 1000,
                    // The first byte comes after the first KVM_RUN, whose time a run without options does not report.
                    "first byte, without options, behind C's first KVM_RUN": median(.plain, \.firstByte) * 1000
                        - floorFirstRun,
                ]))
        results.add(
            Figure(
                name, "\(guest), us to the first KVM_RUN, by their own account",
                [
                    "C": floorFirstRun * 1000,
                    "with --report": median(.reporting) { $0.report?.microsecondsToFirstRun },
                ]))
        results.add(
            Figure(
                name, "\(guest), peak memory in KiB",
                [
                    "C, less the guest's": median(.floor) { $0.report?.peakRSSBytes } / 1024,
                    "with --report, less the guest's": median(.reporting) { $0.report?.peakRSSBytes } / 1024,
                    "without options, with the guest's": try peak([swiftlet, "run", guest], saying: "Hello", runs: 5)
                        * 1024,
                ]))
    }

    private enum Monitor: String {
        case floor = "C"
        case plain = "without options"
        case reporting = "with --report"
    }

    private struct Run {
        /// In seconds, measured from outside the process.
        let firstByte: Double
        let report: StartReport?
    }
}

/// The report of both monitors.
private struct StartReport: Decodable {
    let microsecondsToFirstRun: Double
    let peakRSSBytes: Double
}

/// The reason why a benchmark could not be run.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
