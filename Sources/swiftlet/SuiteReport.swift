import Pictures

/// The texts that are made from the result of a suite.
extension SuiteResult {
    /// The result in the Test Anything Protocol, version 14.
    var tap: String {
        let lines = zip(1..., guestList).flatMap { number, guest -> [String] in
            let line = "ok \(number) - \(guest.name.printable().replacing("#", with: "\\#"))"
            switch guest.verdict {
            case .passed: return [line]
            case .skipped: return ["\(line) # SKIP \(guest.shownReason)"]
            case .failed: return ["not \(line)", "# \(guest.shownReason)"] + guest.excerpt().map { "# \($0)" }
            }
        }
        return (["TAP version 14", "1..\(guestList.count)"] + lines).joined(separator: "\n")
    }

    /// The result in the XML of JUnit, which servers for continuous integration read.
    var junit: String {
        let escaped = SVGCanvas.escaped(_:) as (String) -> String
        let cases = guestList.map { guest in
            let (name, reason) = (escaped(guest.name), escaped(guest.shownReason))
            let start = "<testcase classname=\"swiftlet\" name=\"\(name)\" time=\"\(guest.seconds)\""
            return switch guest.verdict {
            case .passed: "\(start)/>"
            case .skipped: "\(start)><skipped message=\"\(reason)\"/></testcase>"
            case .failed:
                "\(start)><failure message=\"\(reason)\">"
                    + "\(escaped(guest.excerpt().joined(separator: "\n")))</failure></testcase>"
            }
        }
        return """
            <testsuite name="swiftlet" tests="\(guestList.count)" failures="\(failed)" skipped="\(skipped)" time="\(seconds)">
            \(cases.joined(separator: "\n"))
            </testsuite>

            """
    }

    /// A summary that fits on a screen: the first failures with their reasons, and the first of these with the last lines of
    /// their consoles, the names of the others, and the counts.
    var summary: String {
        let (mostExcerpts, mostShown, mostReasons) = (2, 9, 4)
        let failures = guestList.filter { $0.verdict == .failed }
        var lines = failures.prefix(mostShown).enumerated().flatMap { number, guest in
            ["failed: \(guest.name): \(guest.shownReason)"]
                + (number < mostExcerpts ? guest.excerpt(lines: 2).map { "  \($0)" } : [])
        }
        lines += Self.named("failed as well", failures.dropFirst(mostShown).map(\.name))
        let skips = Dictionary(grouping: guestList.filter { $0.verdict == .skipped }, by: \.shownReason)
        let sorted = skips.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        lines += sorted.prefix(mostReasons).flatMap { Self.named("skipped (\($0.key))", $0.value.map(\.name)) }
        lines += Self.named("skipped for other reasons", sorted.dropFirst(mostReasons).flatMap { $0.value.map(\.name) })
        let counts = [(passed, "passed"), (failed, "failed"), (skipped, "skipped")].filter { $0.0 > 0 }
        let times =
            "\(Figures.seconds(seconds)), \(Figures.seconds(guestSeconds)) of guests, \(Figures.count(jobs, "job"))"
        let all = counts.map { "\($0) \($1)" }.joined(separator: ", ")
        return (lines + ["\(Figures.count(guestList.count, "guest")): \(all) in \(times)"]).joined(separator: "\n")
    }

    /// Makes a line of names. If there are many, only the first are in it.
    private static func named(_ title: String, _ names: [String]) -> [String] {
        let most = 8
        let rest = names.count > most ? " and \(names.count - most) more" : ""
        return names.isEmpty ? [] : ["\(title): \(names.prefix(most).joined(separator: ", "))\(rest)"]
    }
}

extension SuiteResult.Guest {
    fileprivate var shownReason: String { (reason ?? "").printable() }

    /// The last lines of the console, and the first lines of the errors that `swiftlet run` printed.
    fileprivate func excerpt(lines: Int = .max) -> [String] {
        (console ?? []).suffix(lines).map { "| \($0)" } + (errors ?? []).prefix(lines).map { "! \($0)" }
    }
}
