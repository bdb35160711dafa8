import Host
import Laboratory

/// The runner of a suite's guests. Several run at once, each by `swiftlet run` in a process of its own.
enum SuiteRun {
    /// Runs the tests. `timeout` is the limit of tests that have none of their own.
    static func run(
        _ observer: inout Observer, _ tests: [SuiteTest], jobs: Int, timeout: Duration
    ) throws(HostError) -> SuiteResult {
        let (work, start) = (Work(tests, timeout: timeout), SuspendingClock.now)
        observer.begin("running guests", total: tests.count)
        var threads: [HostThread] = []
        defer {
            work.cancel()
            for thread in threads { thread.join() }
        }
        for _ in 0..<min(jobs, tests.count) { threads.append(try HostThread(name: "suite", body: work.takeAndRun)) }
        var done = 0
        while done < tests.count, observer.goesOn(done) { done = work.done(beyond: done) }
        return SuiteResult(
            guests: work.results, seconds: (SuspendingClock.now - start).inSeconds, jobs: jobs,
            interrupted: observer.hasInterrupted)
    }

    /// The state that the threads share: the tests that are left, and the results.
    private final class Work: Sendable {
        private struct State: Sendable {
            var next = 0
            var done = 0
            var isCancelled = false
            var results: [Int: SuiteResult.Guest] = [:]
        }

        private let state = Monitor(State())
        private let tests: [SuiteTest]
        private let timeout: Duration
        /// The time that a process may take beyond the limit of its guest before it is killed.
        private static let patience = GuestRun.patience + .seconds(5)

        init(_ tests: [SuiteTest], timeout: Duration) { (self.tests, self.timeout) = (tests, timeout) }

        /// The results in the order of the tests. A test without a result counts as skipped.
        var results: [SuiteResult.Guest] {
            let results = state.withLock { $0.results }
            return tests.indices.map {
                results[$0] ?? SuiteResult.Guest(tests[$0], .skipped, "the suite was interrupted")
            }
        }

        func cancel() { state.withLock { $0.isCancelled = true } }

        /// Waits until more than `known` tests are done, but at most a tenth of a second.
        ///
        /// - Returns: The number of tests that are done.
        func done(beyond known: Int) -> Int {
            state.wait(for: .milliseconds(100)) { $0.done > known ? $0.done : nil } ?? known
        }

        /// Runs one test after the other until none is left. Each thread calls this.
        @Sendable func takeAndRun() {
            while let number = state.withLock({ state -> Int? in
                guard state.next < tests.count, !state.isCancelled else { return nil }
                defer { state.next += 1 }
                return state.next
            }) {
                let result = result(of: tests[number])
                state.update { state in
                    // A guest whose process was killed with the suite has not failed.
                    if !state.isCancelled { state.results[number] = result }
                    state.done += 1
                }
            }
        }

        private func result(of test: SuiteTest) -> SuiteResult.Guest {
            if let reason = test.skipped { return SuiteResult.Guest(test, .skipped, reason) }
            for taken in ["--report", "--timeout"]
            where test.options.contains(where: { $0 == taken || $0.hasPrefix(taken + "=") }) {
                return SuiteResult.Guest(test, .failed, "\(taken) is the suite's own option of each run: leave it out")
            }
            let limit = test.timeout ?? timeout
            let arguments =
                ["run"] + test.options
                + ["--timeout", "\(max(1, limit.nanoseconds / 1000))us", "--report", "/dev/fd/3", "--", test.guest]
            do {
                let process = try ChildProcess(arguments: arguments, directory: test.directory)
                let end = process.finish(within: limit + Self.patience) { state.withLock { $0.isCancelled } }
                let (verdict, reason, outcome) = test.judge(end)
                var guest = SuiteResult.Guest(test, verdict, reason)
                (guest.seconds, guest.outcome, guest.status) = (end.time.inSeconds, outcome, end.status)
                if verdict == .failed {
                    let newline = UInt8(ascii: "\n")
                    guest.console = SuiteResult.shown(end.output.bytes.split(separator: newline).suffix(40))
                    guest.errors = SuiteResult.shown(end.errors.bytes.split(separator: newline).prefix(40))
                }
                return guest
            } catch {
                return SuiteResult.Guest(test, .failed, "\(error)")
            }
        }
    }
}

/// The result of a suite.
struct SuiteResult: ExperimentResult {
    /// The result of one guest.
    struct Guest: Codable, Sendable {
        let name: String
        let verdict: SuiteTest.Verdict
        /// The reason why the guest did not pass.
        let reason: String?
        /// The name of the way in which the run ended, from the report of `run`.
        var outcome: String?
        /// The exit status of the process.
        var status: Int32?
        /// The time from the start of the process to its end.
        var seconds = 0.0
        /// For a failed guest, the end of its output.
        var console: [String]?
        /// For a failed guest, the beginning of the messages of `swiftlet run`.
        var errors: [String]?

        init(_ test: SuiteTest, _ verdict: SuiteTest.Verdict, _ reason: String?) {
            (name, self.verdict, self.reason) = (test.name, verdict, reason)
        }
    }

    private(set) var schema = 1
    let passed: Int
    let failed: Int
    let skipped: Int
    let jobs: Int
    /// The time that the whole suite took.
    let seconds: Double
    /// The sum of the guests' own times.
    let guestSeconds: Double
    let guestList: [Guest]
    let interrupted: Bool
    let ok: Bool

    init(guests: [Guest], seconds: Double, jobs: Int, interrupted: Bool) {
        let count = { (verdict: SuiteTest.Verdict) in guests.count { $0.verdict == verdict } }
        (passed, failed, skipped) = (count(.passed), count(.failed), count(.skipped))
        (guestList, self.seconds, self.jobs, self.interrupted) = (guests, seconds, jobs, interrupted)
        guestSeconds = guests.reduce(0) { $0 + $1.seconds }
        ok = failed == 0
    }

    var problem: String? { ok ? nil : "\(failed) of \(guestList.count) guests failed" }

    /// Makes lines safe and short enough to be shown.
    static func shown(_ lines: some Sequence<ArraySlice<UInt8>>) -> [String] {
        lines.map { line in
            let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            return String(String(decoding: text, as: UTF8.self).printable().prefix(200))
        }
    }
}
