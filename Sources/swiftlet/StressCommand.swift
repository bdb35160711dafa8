import ArgumentParser
import Host
import Laboratory
import Machine

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
        ])
}

/// What all stress tests do alike: progress, interruption, and the exit status.
enum StressTest {
    /// Runs a test, watched by the terminal and its user.
    static func run<Result>(_ body: (inout Observer) throws(MachineError) -> Result) throws -> Result {
        let watch: TerminalWatch
        do { watch = try TerminalWatch() } catch { throw failure(MachineError.host(error)) }
        var observer = Observer(watch.goesOn)
        defer { watch.clear() }
        do throws(MachineError) {
            return try body(&observer)
        } catch {
            watch.clear()
            throw failure(error)
        }
    }

    /// Ends the command with the status of a test, and a word of why on standard error.
    static func end(isOK: Bool, isInterrupted: Bool, _ problem: @autoclosure () -> String) throws {
        if !isOK, !isInterrupted {
            throw failure(problem(), status: 1)
        }
        if isInterrupted {
            throw failure("interrupted; the figures are what was reached until then", status: 130)
        }
    }
}

extension Duration {
    /// For JSON and for people.
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// A random seed that people can type again.
func makeSeed() -> UInt64 {
    UInt64.random(in: 1..<1 << 32)
}
