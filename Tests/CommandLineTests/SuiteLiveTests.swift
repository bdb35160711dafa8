import Foundation
import LiveSupport
import Testing

@testable import swiftlet

@Suite("swiftlet suite", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct SuiteLiveTests {
    /// mov al, status; out 0xf4, al
    private static func exits(_ status: UInt8) -> [UInt8] { [0xb0, status, 0xe6, 0xf4] }
    private static let loop: [UInt8] = [0xeb, 0xfe]
    /// mov al, 'a'; out 0xe9, al; ud2
    private static let fault: [UInt8] = [0xb0, 0x61, 0xe6, 0xe9, 0x0f, 0x0b]

    private func directory(_ files: [String: [UInt8]]) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for (name, bytes) in files { try Data(bytes).write(to: URL(fileURLWithPath: directory.file(name))) }
        return directory
    }

    private func result(_ text: String) throws -> SuiteResult {
        try JSONDecoder().decode(SuiteResult.self, from: Data(text.utf8))
    }

    @Test("a NUL in an argument is an error, and does not run what stands before it")
    func nul() throws {
        let suite = #"{"tests": [{"guest": "hello\u0000x"}, {"guest": "hello", "options": ["--pit\u0000x"]}]}"#
        let directory = try directory(["s.json": Array(suite.utf8)])
        let run = try Command("suite", directory.file("s.json"), "--json").run()
        let result = try result(run.output)
        #expect(run.status == 1 && result.failed == 2, "\(run.output)")
        #expect(result.guestList.allSatisfy { $0.reason?.contains("an argument with a NUL in it") == true })
    }

    @Test("the shortest limit is one, and no wrong usage")
    func shortLimit() throws {
        let suite = #"{"tests": [{"guest": "./loop.bin", "timeout": "0.1us", "outcome": "timeout"}]}"#
        let directory = try directory(["s.json": Array(suite.utf8), "loop.bin": Self.loop])
        let run = try Command("suite", directory.file("s.json")).run()
        #expect(run.status == 0, "\(run.output)")
    }

    @Test("a reader that goes away ends a suite with the status that it gives other commands", .timeLimit(.minutes(1)))
    func brokenPipe() throws {
        let directory = try directory(["s.json": Array(#"{"tests": [{"guest": "hello"}]}"#.utf8)])
        let line = "{ \"$0\" suite \"$1/s.json\" --json; echo $? > \"$1/status\"; } | :"
        _ = try StartLiveTests.shell(line, directory.path)
        #expect(try String(contentsOfFile: directory.file("status"), encoding: .utf8) == "130\n")
    }

    @Test("options that the suite gives itself are refused, and not silently replaced")
    func ownOptions() throws {
        let suite =
            #"{"tests": [{"guest": "hello", "options": ["--report", "r"]}, {"guest": "hello", "options": ["--timeout=1s"]}]}"#
        let directory = try directory(["s.json": Array(suite.utf8)])
        let run = try Command("suite", directory.file("s.json")).run()
        #expect(run.status == 1 && run.output.contains("--report is the suite's own"), "\(run.output)")
        #expect(run.output.contains("--timeout is the suite's own"), "\(run.output)")
    }

    @Test("each guest is judged by what is expected of it")
    func verdicts() throws {
        let suite = """
            {"tests": [
             {"guest": "hello", "output": "Hello from 64-bit long mode. This is a bare-metal guest under KVM.\\n"},
             {"guest": "./seven.bin", "status": 7}, {"name": "eight", "guest": "./seven.bin", "status": 8},
             {"guest": "./loop.bin", "timeout": "200ms"},
             {"name": "late", "guest": "./loop.bin", "timeout": "200ms", "outcome": "timeout"},
             {"guest": "./fault.bin"}, {"name": "expected", "guest": "./fault.bin", "outcome": "shutdown"},
             {"name": "other", "guest": "hello", "output": "Hello\\n"}, {"guest": "./missing.bin"}, {"guest": "x", "skip": "later"}]}
            """
        let directory = try directory([
            "s.json": Array(suite.utf8), "seven.bin": Self.exits(7), "loop.bin": Self.loop, "fault.bin": Self.fault,
        ])
        let run = try Command(
            "suite", directory.file("s.json"), "--jobs", "3", "--json", "--junit", directory.file("j.xml")
        ).run()
        let result = try result(run.output)
        #expect(
            run.status == 1 && result.passed == 4 && result.failed == 5 && result.skipped == 1 && !result.interrupted)
        let reasons = Dictionary(uniqueKeysWithValues: result.guestList.map { ($0.name, $0.reason ?? "") })
        #expect(
            reasons["./seven.bin"] == "" && reasons["late"] == "" && reasons["expected"] == ""
                && reasons["x"] == "later")
        #expect(reasons["eight"] == "it ended with status 7; expected: status 8")
        #expect(reasons["./missing.bin"]?.hasPrefix("swiftlet run ended with status 65: cannot read the guest") == true)
        #expect(reasons["other"]?.hasPrefix("line 1 of the output is \"Hello from") == true)
        let fault = try #require(result.guestList.first { $0.name == "./fault.bin" })
        #expect(fault.outcome == "shutdown" && fault.status == 70 && fault.console?.first?.hasPrefix("a") == true)
        #expect(result.guestSeconds > 0.4 && result.jobs == 3 && result.schema == 1)
        #expect(
            try String(contentsOfFile: directory.file("j.xml"), encoding: .utf8).contains("tests=\"10\" failures=\"5\"")
        )
    }

    @Test("kvm-unit-tests: 0 passes, 77 skips, all else fails; an end without a status fails as well")
    func unitTests() throws {
        // A flat file stands for a test kernel: what `run` makes of it is the same.
        let names = ["pass": Self.exits(0), "skip": Self.exits(77), "fail": Self.exits(1), "halt": [0xf4]]
        var list = ""
        var files: [String: [UInt8]] = [:]
        for (name, code) in names.sorted(by: { $0.key < $1.key }) {
            list += "[\(name)]\nfile = \(name).flat\nqemu_params = -machine pit=off\ntimeout = 2\n"
            files["\(name).flat"] = code
        }
        list += "[manual]\nfile = pass.flat\ngroups = nodefault\nqemu_params = -machine pit=off\n"
        files["unittests.cfg"] = Array(list.utf8)
        let directory = try directory(files)
        let run = try Command("suite", directory.path, "--tap").run()
        #expect(run.status == 1, "\(run.errors)")
        #expect(
            run.output.hasPrefix(
                "TAP version 14\n1..4\nnot ok 1 - fail\n# it ended with status 1; expected: status 0\n"))
        #expect(run.output.contains("not ok 2 - halt\n") && run.output.contains("ok 3 - pass\n"))
        #expect(run.output.contains("ok 4 - skip # SKIP the guest skipped itself\n"))
        #expect(try Command("suite", directory.path, "--only", "p*s", "--only", "nodefault").run().status == 0)
        let listed = try Command("suite", directory.path, "--list").run()
        #expect(
            listed.status == 0 && listed.output.contains("--device pci-testdev") && !listed.output.contains("manual"))
    }

    @Test("wrong usage")
    func usage() throws {
        let directory = try directory(["a.bin": Self.exits(0)])
        for arguments in [["--jobs", "0"], ["--tap", "--json"], ["--only", "b"]] {
            var command = Command("suite", directory.path)
            command.arguments += arguments
            #expect(try command.run().status == 64, "\(arguments)")
        }
        #expect(try Command("suite", directory.file("none.json")).run().status == 65)
        let empty = try self.directory(["s.json": Array(#"{"tests": []}"#.utf8)])
        let none = try Command("suite", empty.file("s.json")).run()
        #expect(none.status == 65 && none.errors.contains("there are no guests"), "\(none.errors)")
    }

    @Test("names and options reach `run` as they are, and --list shows options as one types them")
    func words() throws {
        let suite = """
            {"tests": [{"guest": "--version"}, {"name": "list", "guest": "./a.bin", "options": ["--trace", "it's a file", "--pit"]},
             {"name": "append", "guest": "./a.bin", "options": ["--append", "x"], "skip": "no"}]}
            """
        let directory = try directory(["s.json": Array(suite.utf8), "a.bin": Self.exits(0)])
        let listed = try Command("suite", directory.file("s.json"), "--list").run().output
        #expect(listed.contains(#"--trace 'it'\''s a file' --pit"#), "\(listed)")
        let run = try Command("suite", directory.file("s.json"), "--json").run()
        let guests = try result(run.output).guestList
        #expect(guests[0].verdict == .failed && guests[0].reason?.contains("no built-in guest `--version`") == true)
        #expect(guests[1].verdict == .passed && directory.names.contains("it's a file"))
    }

    @Test("without KVM a suite ends at once, as one guest does")
    func withoutKVM() throws {
        guard StartLiveTests.hasStrace else { return }
        let directory = try directory(["a.bin": Self.exits(0), "b.bin": Self.exits(0)])
        let run = try StartLiveTests.inject("openat:error=ENOENT", path: "/dev/kvm", "suite", directory.path, "--json")
        #expect(run.status == 69 && run.output.isEmpty && run.errors.contains("/dev/kvm"), "\(run.errors)")
        #expect(run.errors.split(separator: "\n").count == 1)
    }

    @Test("a guest's output that is too long to be compared is told so")
    func longOutput() throws {
        // mov esi, 0x10000; mov ecx, 1300000; mov dx, 0xe9; rep outsb; mov al, 0; out 0xf4, al
        let code: [UInt8] = [
            0xbe, 0x00, 0x00, 0x01, 0x00, 0xb9, 0x20, 0xd6, 0x13, 0x00, 0x66, 0xba, 0xe9, 0x00, 0xf3, 0x6e, 0xb0, 0x00,
            0xe6,
            0xf4,
        ]
        let directory = try directory(["a.bin": code, "a.expect": Array("aaa".utf8)])
        let run = try Command("suite", directory.path, "--json").run()
        let guest = try #require(try result(run.output).guestList.first)
        #expect(guest.reason == "it printed more than the 1088 KiB that a suite can compare", "\(guest)")
    }

    @Test("guests that a signal ends remove their sockets", .timeLimit(.minutes(2)))
    func sockets() throws {
        let suite = #"{"tests": [{"guest": "./loop.bin", "options": ["--mode", "real", "--control", "machine"]}]}"#
        let directory = try directory(["s.json": Array(suite.utf8), "loop.bin": Self.loop])
        let run = try Command("suite", directory.file("s.json")) { process in
            for _ in 0..<2000 where !directory.names.contains("machine") { Thread.sleep(forTimeInterval: 0.01) }
            #expect(directory.names.contains("machine"))
            Thread.sleep(forTimeInterval: 0.2)
            kill(process.processIdentifier, SIGINT)
        }.run()
        #expect(run.status == 130 && directory.names == ["loop.bin", "s.json"], "\(directory.names)")
    }

    @Test("a guest that prints without end does not take the host's memory")
    func endlessOutput() throws {
        let printing: [UInt8] = [0xb0, 0x61, 0xe6, 0xe9, 0xeb, 0xfc]  // out 0xe9, al; back to it
        let directory = try directory(["a.bin": printing])
        let run = try Command("suite", directory.path, "--timeout", "1s", "--json").run()
        let guest = try #require(try result(run.output).guestList.first)
        #expect(guest.outcome == "timeout" && (guest.console ?? []).allSatisfy { $0.count <= 200 })
    }

    @Test(
        "a signal ends a suite and all its processes", .timeLimit(.minutes(2)), arguments: [SIGINT, SIGTERM, SIGKILL])
    func signal(number: Int32) throws {
        let files = Dictionary(uniqueKeysWithValues: (0..<4).map { ("loop\($0).bin", Self.loop) })
        let directory = try directory(files)
        let run = try Command("suite", directory.path, "--jobs", "2", "--json") { process in
            process.waitForThread("suite")
            Thread.sleep(forTimeInterval: 0.3)
            kill(process.processIdentifier, number)
        }.run()
        #expect(run.status == (number == SIGKILL ? -9 : 130))
        if number != SIGKILL { #expect(try result(run.output).skipped == 4) }
        // The kernel may take a moment.
        for _ in 0..<100 where Self.isRunning(directory.path) { Thread.sleep(forTimeInterval: 0.05) }
        #expect(!Self.isRunning(directory.path))
    }

    /// Whether a process has this working directory.
    private static func isRunning(_ directory: String) -> Bool {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == directory
        }
    }
}
