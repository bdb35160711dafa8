import ArgumentParser
import Host
import Laboratory
import Pictures

struct StressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stress",
        abstract: "Find out what this host's KVM does with slots: many, changing, toggled, wrong.",
        discussion: """
            Ctrl-C ends a test early; what was reached until then is printed, and the exit status is 130. The exit status is 1 \
            if anything is not as it should be.

            Examples:
              swiftlet stress fill --plot fill.svg
              swiftlet stress churn --seconds 30 --vcpus 2
              swiftlet stress fuzz --operations 1000000
            """,
        subcommands: [
            StressFillCommand.self, StressChurnCommand.self, StressToggleCommand.self, StressFuzzCommand.self,
            StressHotPlugCommand.self,
        ])
}

/// Carries out an experiment, in the jail if there is one. The terminal shows its progress, and the user can end it.
func watched<Result>(_ jail: JailOption?, _ experiment: (inout Observer) throws -> Result) throws -> Result {
    let watch = try TerminalWatch()
    try jail?.enter(for: .makesMachines)
    var observer = Observer(watch.goesOn)
    defer { watch.clear() }
    return try experiment(&observer)
}

extension ExperimentResult {
    /// Ends the command with the status of the result. If something was not as it should be, says so on standard error,
    /// followed by `hint`.
    func end(hint: String = "") throws {
        if interrupted {
            throw failure("interrupted; the figures are what was reached until then", .interrupted)
        }
        if !ok {
            throw failure("\(problem ?? "")\(hint)", .checkFailed)
        }
    }
}

extension Figures {
    static func seconds(_ seconds: Double) -> String { time(seconds * 1e6) }

    static func both(_ bytes: KernelBytes) -> String {
        "\(size(bytes.predicted)) predicted, \(size(bytes.measured)) measured"
    }
}

extension TextTable {
    /// Returns the columns of a summary of latencies.
    static func latencies<Row>(_ summary: @escaping (Row) -> LatencySummary?) -> [Column<Row>] {
        let columns: [(String, KeyPath<LatencySummary, Double>)] = [("p50", \.p50), ("p99", \.p99), ("max", \.max)]
        return columns.map { title, value in
            .right(title) { summary($0).map { Figures.time($0[keyPath: value]) } ?? "" }
        }
    }
}
