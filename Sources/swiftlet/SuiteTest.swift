import FoundationEssentials
import Host
import Machine

/// A guest that a suite runs, and the expected end of its run.
struct SuiteTest {
    let name: String
    /// The directory in which `swiftlet run` starts. Relative names of files are looked up there.
    let directory: String
    let guest: String
    /// Further options of `swiftlet run`.
    var options: [String] = []
    /// The time that the guest may take. Nil for the limit of the suite.
    var timeout: Duration?
    var groups: [String] = []
    /// The reason why the guest is not run. Nil if it is run.
    var skipped: String?
    var expectation = Expectation.end(status: nil, outcome: nil, output: nil)

    enum Expectation {
        /// A certain exit status (nil: 0, or any if an outcome is given), a certain way in which the run ends (nil: by the
        /// guest's own will), and a certain output (nil: any).
        case end(status: Int32?, outcome: String?, output: [UInt8]?)
        /// The status of a test of kvm-unit-tests: 0 for success, and 77 for a test that skipped itself.
        case unitTest
    }

    enum Verdict: String, Codable { case passed, failed, skipped }

    /// The keys of the run's report that `judge` reads.
    private struct Report: Decodable {
        let outcome: String
        let reason: String
        let exitCode: Int32
    }

    /// The outcomes by which a guest ends its run itself.
    private static let orderly: Set = ["exited", "reset", "poweredOff", "halted"]

    /// Judges a run.
    ///
    /// - Returns: The verdict, the reason for it (nil if the guest passed), and the outcome of the run (nil without a report).
    func judge(_ end: ChildProcess.End) -> (verdict: Verdict, reason: String?, outcome: String?) {
        if end.wasKilled { return (.failed, "swiftlet run had to be killed", nil) }
        guard let report = try? JSONDecoder().decode(Report.self, from: Data(end.report.bytes)) else {
            let lines = String(decoding: end.errors.bytes, as: UTF8.self).split(separator: "\n")
            let reason = lines.first.map { $0.replacing("swiftlet: ", with: "", maxReplacements: 1) }
            return (.failed, "swiftlet run ended with status \(end.status): \(reason ?? "it wrote no report")", nil)
        }
        let (status, outcome) = (report.exitCode, report.outcome)
        let ending = outcome == "exited" ? "it ended with status \(status)" : report.reason
        switch expectation {
        case .unitTest:
            let verdict = outcome == "exited" ? [0: Verdict.passed, 77: .skipped][status] ?? .failed : .failed
            return (
                verdict,
                verdict == .passed
                    ? nil : verdict == .skipped ? "the guest skipped itself" : "\(ending); expected: status 0",
                outcome
            )
        case .end(let wantedStatus, let wantedOutcome, let output):
            guard wantedOutcome.map({ $0 == outcome }) ?? Self.orderly.contains(outcome) else {
                return (.failed, ending + (wantedOutcome.map { "; expected: \($0)" } ?? ""), outcome)
            }
            let wanted = wantedStatus ?? (wantedOutcome == nil ? 0 : status)
            guard wanted == status else { return (.failed, "\(ending); expected: status \(wanted)", outcome) }
            let problem = output.flatMap { expected in
                end.output.isWhole
                    ? Self.difference(of: end.output.bytes, from: expected)
                    : "it printed more than the \(BoundedBytes.most >> 10) KiB that a suite can compare"
            }
            return (problem == nil ? .passed : .failed, problem, outcome)
        }
    }

    /// Describes the first line in which an output is not as expected. Nil if the two are equal.
    private static func difference(of output: [UInt8], from expected: [UInt8]) -> String? {
        guard output != expected else { return nil }
        let lines = [output, expected].map { bytes in
            bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        }
        let same = zip(lines[0], lines[1]).prefix { $0 == $1 }.count
        let words = lines.map { lines in
            same < lines.count ? "\"\(String(decoding: lines[same].prefix(80), as: UTF8.self))\"" : "the end"
        }
        return "line \(same + 1) of the output is \(words[0]); expected: \(words[1])"
    }
}

extension SuiteTest {
    /// Whether one of the patterns matches the name, a group, or the name of the guest's file, with or without its ending. In a
    /// pattern, `*` stands for any characters.
    func matches(_ patterns: [String]) -> Bool {
        let file = guest.split(separator: "/").last ?? ""
        let names =
            [name] + groups + [file, file.prefix(upTo: file.lastIndex(of: ".") ?? file.endIndex)].map(String.init)
        return patterns.contains { pattern in names.contains { Self.matches($0, pattern) } }
    }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard let first = parts.first, let last = parts.dropFirst().last else { return text == pattern }
        guard text.hasPrefix(first), text.hasSuffix(last), text.count >= first.count + last.count else { return false }
        // The parts between asterisks follow each other in what is left.
        var rest = text.dropFirst(first.count).dropLast(last.count)
        return parts.dropFirst().dropLast().allSatisfy { part in
            guard let place = rest.firstRange(of: part) else { return false }
            rest = rest[place.upperBound...]
            return true
        }
    }
}
