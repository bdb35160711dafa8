import ArgumentParser
import Host
import KVM
import Laboratory
import Machine
import Pictures

struct SuiteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suite",
        abstract: "Run many guests, several at once, and tell which did not end as they should.",
        discussion: """
            A SUITE is a JSON file that lists guests, a .cfg file such as the unittests.cfg of kvm-unit-tests, or a directory: of guests NAME.bin, \
            NAME.elf or NAME.flat, beside which NAME.expect has what they print and NAME.json what else is expected. \
            docs/suite.md describes them. Each guest runs in a process of its own.

            The exit status is 0 if no guest failed, 1 if one did, 130 after Ctrl-C.

            Examples:
              swiftlet suite guests.json --jobs 4
              swiftlet suite kvm-unit-tests/x86/unittests.cfg --only vmexit --tap
            """)

    @Argument(help: ArgumentHelp("Files and directories.", valueName: "suite"))
    var suites: [String]

    @Option(help: ArgumentHelp("Guests that run at once. (default: one for each CPU)", valueName: "n"))
    var jobs: Int?

    @Option(
        help: ArgumentHelp(
            "Run only guests of this name, group or file name; * stands for anything. Repeat for more.",
            valueName: "pattern"))
    var only: [String] = []

    @Option(help: ArgumentHelp("The limit of guests that have none of their own. (default: 90s)", valueName: "time"))
    var timeout: Duration?

    @Flag(help: "List the guests, and run none.")
    var list = false

    @Flag(help: "Print the results in the Test Anything Protocol.")
    var tap = false

    @Option(help: ArgumentHelp("Write the results into this file, in JUnit's XML.", valueName: "file"))
    var junit: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let jobs, !(1...4096).contains(jobs) { throw ValidationError("--jobs counts from 1 to 4096.") }
        if list, tap || junit != nil { throw ValidationError("--list has no results: leave out --tap and --junit.") }
        if tap && output.json { throw ValidationError("--tap and --json both print to standard output: take one.") }
    }

    func run() throws {
        // Guests of the group `nodefault` run only if the user asks for them.
        let all = try suites.flatMap(SuiteTest.tests(at:))
        guard !all.isEmpty else { throw failure("\(suites.joined(separator: ", ")): there are no guests", .badInput) }
        let tests = all.filter { only.isEmpty ? !$0.groups.contains("nodefault") : $0.matches(only) }
        guard !tests.isEmpty else {
            throw failure("none of \(Figures.count(all.count, "guest")) is asked for: see --list and --only", .usage)
        }
        let limit = timeout ?? .seconds(90)
        if list { return try output.show(TestList(tests, limit), Self.table(tests, limit)) }
        // Without KVM each guest would fail for this same reason.
        if tests.contains(where: { $0.skipped == nil }) { _ = try reachable(try KVMSystem()) }
        var files = OutputFiles(inputs: suites.map { ($0, "a suite") })
        let junit = try files.open(self.junit, for: "--junit")
        let result = try watched(nil) {
            try SuiteRun.run(&$0, tests, jobs: jobs ?? HostThread.processorCount, timeout: limit)
        }
        // If one of the two outputs cannot be written, the other one still is.
        do { try output.show(result, tap ? result.tap : result.summary) } catch {
            try junit?.write(result.junit)
            throw error
        }
        try junit?.write(result.junit)
        try result.end()
    }

    private static func table(_ tests: [SuiteTest], _ limit: Duration) -> String {
        TextTable(
            tests,
            [
                .left("name", \.name), .left("guest", \.guest),
                .right("limit") { Figures.seconds(($0.timeout ?? limit).inSeconds) },
                .left("groups") { $0.groups.joined(separator: " ") },
                .left("options") { test in
                    test.skipped.map { "skipped: \($0)" } ?? test.options.map(quoted).joined(separator: " ")
                },
            ]
        ).text
    }

    /// Returns a word with the quotes that it needs in a shell.
    private static func quoted(_ word: String) -> String {
        let isPlain =
            !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_=+,./:@%".contains($0)) }
        return isPlain ? word : "'\(word.replacing("'", with: "'\\''"))'"
    }
}

/// The guests of a suite as `suite --list --json` prints them.
private struct TestList: Encodable {
    private let schema = 1
    let guestList: [Row]

    struct Row: Encodable {
        let name, guest: String
        let limitSeconds: Double
        let groups, options: [String]
        let skipped: String?
    }

    init(_ tests: [SuiteTest], _ limit: Duration) {
        guestList = tests.map {
            Row(
                name: $0.name, guest: $0.guest, limitSeconds: ($0.timeout ?? limit).inSeconds, groups: $0.groups,
                options: $0.options, skipped: $0.skipped)
        }
    }
}
