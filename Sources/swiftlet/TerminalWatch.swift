import Host
import Laboratory

/// Watches a long test for its user: a line of progress on standard error, and Ctrl-C.
///
/// SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the test instead of the process while the value lives.
final class TerminalWatch {
    private let events: HostEvents
    private let isTerminal = FileBytes.isTerminal(FileBytes.standardError)
    private var width = 0
    /// When the next line is due where nobody sits at a terminal, or nil for no line.
    private var nextLine: SuspendingClock.Instant?
    private static let period = Duration.seconds(10)

    /// - Parameter printsLines: Whether there is a new line every ten seconds where standard error is no terminal.
    init(printsLines: Bool = false) throws(HostError) {
        nextLine = printsLines ? .now + Self.period : nil
        events = try HostEvents(catchesSignals: true)
    }

    /// Shows how far a test is; whether it is to go on.
    func goesOn(_ progress: Observer.Progress) -> Bool {
        if isTerminal {
            show(Self.line(progress))
        } else if let next = nextLine, .now >= next {
            nextLine = .now + Self.period
            FileBytes.write(Array("swiftlet: \(Self.line(progress))\n".utf8), to: FileBytes.standardError)
        }
        if case .signal? = try? events.wait(input: nil, until: .now) { return false }
        return true
    }

    /// Removes the line.
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

    /// `adding slots: 12000 of 32764, 37 %, 5200/s, 4 s left`
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
