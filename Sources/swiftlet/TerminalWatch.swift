import Host
import Laboratory

/// The watcher of a long test for its user. It shows progress on standard error, and ends the test at Ctrl-C. On a terminal,
/// progress is one line that changes. Elsewhere, it is a new line every ten seconds.
///
/// While the value lives, SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the test instead of the process.
final class TerminalWatch {
    private let events: HostEvents
    private let isTerminal = FileBytes.isTerminal(FileBytes.standardError)
    private var width = 0
    private var nextLine = SuspendingClock.now + interval
    private static let interval = Duration.seconds(10)

    init() throws(HostError) {
        events = try HostEvents(catchesSignals: true)
    }

    /// Shows the progress of a test.
    ///
    /// - Returns: Whether the test goes on.
    func goesOn(_ progress: Observer.Progress) -> Bool {
        if isTerminal {
            show(Self.line(progress))
        } else if SuspendingClock.now >= nextLine {
            nextLine = .now + Self.interval
            // If the host dies during the run, the last of these lines shows how to continue.
            complain(Self.line(progress) + (progress.seed.map { "; goes on from here with --seed \($0)" } ?? ""))
        }
        if case .signal? = try? events.wait(input: nil, until: .now) { return false }
        return true
    }

    /// Removes the line from the terminal.
    func clear() {
        if width > 0 {
            show("")
            FileBytes.write(Array("\r".utf8), to: FileBytes.standardError)
        }
    }

    private func show(_ line: String) {
        let padding = String(repeating: " ", count: max(0, width - line.count))
        FileBytes.write(Array("\r\(line)\(padding)".utf8), to: FileBytes.standardError)
        width = line.count
    }

    /// Returns a line such as `adding slots: 12000 of 32764, 37 %, 5200/s, 4 s left`.
    static func line(_ progress: Observer.Progress) -> String {
        let seconds = progress.elapsed.inSeconds
        var parts = [progress.total.map { "\(progress.done) of \($0)" } ?? "\(progress.done)"]
        if let total = progress.total, total > 0 {
            parts.append("\(progress.done * 100 / total) %")
        }
        guard seconds > 0, progress.done > 0 else { return "\(progress.phase): \(parts.joined(separator: ", "))" }
        let rate = Double(progress.done) / seconds
        parts.append("\(Int(rate.rounded()))/s")
        var left: [Double] = []
        if let total = progress.total { left.append(Double(total - progress.done) / rate) }
        if let limit = progress.limit { left.append(limit.inSeconds - seconds) }
        if let left = left.min() {
            parts.append("\(Int(max(0, left).rounded(.up))) s left")
        }
        return "\(progress.phase): \(parts.joined(separator: ", "))"
    }
}
