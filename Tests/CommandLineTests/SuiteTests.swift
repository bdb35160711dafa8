import Foundation
import Testing

@testable import swiftlet

/// The readers of suites, and the texts that are made of results. Nothing runs.
@Suite struct SuiteTests {
    private func tests(_ files: [String: String], at name: String = "") throws -> [SuiteTest] {
        let directory = try TemporaryDirectory()
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: directory.file(name))) }
        return try SuiteTest.tests(at: name.isEmpty ? directory.path : directory.file(name))
    }

    // MARK: Suite files and directories

    @Test("a suite file says what to run and what to expect")
    func file() throws {
        let text = """
            {"tests": [{"guest": "hello"},
             {"name": "x", "guest": "./x.bin", "options": ["--mode", "real"], "vcpus": 2, "timeout": "500ms", "status": 7,
              "outcome": "exited", "output": "a\\n", "groups": ["slow"], "skip": "not now"}]}
            """
        let tests = try tests(["s.json": text], at: "s.json")
        #expect(tests.map(\.name) == ["hello", "x"] && tests.map(\.guest) == ["hello", "./x.bin"])
        #expect(tests[1].options == ["--mode", "real", "--vcpus", "2"] && tests[1].timeout == .milliseconds(500))
        #expect(tests[1].skipped == "not now" && tests[1].groups == ["slow"])
        guard case .end(7, "exited", let output) = tests[1].expectation else { throw Failure() }
        #expect(output == Array("a\n".utf8))
    }

    @Test(
        "a value that cannot be is told with its place and what can be",
        arguments: [
            (#""status": 256"#, "tests[1].status: 256 is not an exit status, from 0 to 255"),
            (#""status": -1"#, "tests[1].status: -1 is not"),
            (#""outcome": "ok""#, "tests[1].outcome: ok is not an outcome, one of exited, "),
            (#""timeout": "soon""#, "tests[1].timeout: soon is not a time"),
        ])
    func badValue(member: String, words: String) throws {
        let text = #"{"tests": [{"guest": "hello"}, {"guest": "hello", \#(member)}]}"#
        #expect {
            try JSONDecoder().decode(Strict<SuiteFile>.self, from: Data(text.utf8))
        } throws: { InputFile.describe($0).contains(words) }
        #expect {
            try JSONDecoder().decode(Strict<SuiteFile>.self, from: Data("\n\(text)".utf8))
        } throws: {
            InputFile.describe($0, in: Array("\n\(text)".utf8)).contains(words.replacing(": ", with: " (line 2): "))
        }
    }

    @Test(
        "a suite file that cannot be is refused",
        arguments: [
            "[]", "{}", #"{"tests": [{}]}"#, #"{"tests": [{"guest": "hello", "staus": 1}]}"#,
            #"{"tests": [], "guests": []}"#,
            #"{"tests": [{"guest": "hello", "timeout": "soon"}]}"#, #"{"tests": [{"guest": "hello", "status": "1"}]}"#,
            #"{"tests": [{"guest": "./a"}], "tests": [{"guest": "hello"}]}"#,
            #"{"tests": [{"guest": "hello", "status": 1, "status": 0}]}"#,
        ])
    func badFile(text: String) {
        #expect(throws: (any Error).self) { try tests(["s.json": text], at: "s.json") }
    }

    @Test("in a directory, what is expected lies beside a guest")
    func directory() throws {
        let files = [
            "a.bin": "", "a.expect": "hello", "b.elf": "", "b.json": #"{"status": 3, "name": "bee"}"#, "c.flat": "",
            "d.txt": "",
        ]
        let tests = try tests(files)
        #expect(tests.map(\.name) == ["a", "bee", "c"] && tests.map(\.guest) == ["./a.bin", "./b.elf", "./c.flat"])
        guard case .end(nil, nil, let output) = tests[0].expectation, case .end(3, nil, nil) = tests[1].expectation
        else {
            throw Failure()
        }
        #expect(output == Array("hello".utf8))
        #expect(throws: (any Error).self) { try self.tests(["d.txt": ""]) }
        #expect(throws: (any Error).self) { try self.tests(["a.bin": "", "a.json": #"{"guest": "./b.bin"}"#]) }
    }

    @Test("the file in docs/suite.md is one, and the page has all keys")
    func documentation() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let text = try String(contentsOf: root.appending(path: "docs/suite.md"), encoding: .utf8)
        let block = try #require(text.components(separatedBy: "```json\n").last?.components(separatedBy: "```").first)
        #expect(try tests(["s.json": block], at: "s.json").count == 4)
        for key in SuiteFile.Entry.CodingKeys.allCases { #expect(text.contains("| `\(key.stringValue)` |"), "\(key)") }
    }

    // MARK: kvm-unit-tests

    /// A list as kvm-unit-tests has it, with something of each kind.
    private static let list = """
        # a comment
        [one]
        file = k.flat
        smp = 2
        test_args = '-first second'
        qemu_params = -cpu max,+vmx,-pcid -m 2048
        timeout = 30
        groups = vmexit slow

        [old]
        file = k.flat
        extra_params = -enable-kvm -machine pit=off -append "a 'b'" -m 1g
        [long]
        file = k.flat
        qemu_params = \"\"\"
        -cpu qemu64
        -append x
        \"\"\"
        arch = x86_64
        """

    @Test("a list of kvm-unit-tests becomes options of run")
    func unitTests() throws {
        let tests = try tests(["unittests.cfg": Self.list, "k.flat": ""])
        #expect(tests.map(\.name) == ["one", "old", "long"] && tests.allSatisfy { $0.skipped == nil })
        let device = ["--device", "pci-testdev"]
        #expect(
            tests[0].options == device + [
                "--vcpus", "2", "--cpu=-pcid", "--memory", "2048M", "--pit", "--append=-first second",
            ])
        #expect(tests[0].timeout == .seconds(30) && tests[0].groups == ["vmexit", "slow"])
        #expect(tests[1].options == device + ["--memory", "1G", "--append=a 'b'"])
        #expect(tests[2].options == device + ["--pit", "--append=x"])
    }

    @Test(
        "what has no counterpart is skipped, with the reason",
        arguments: [
            ("arch = i386", "i386 only"), ("accel = tcg", "tcg only"), ("smp = $MAX_SMP", "smp = $MAX_SMP"),
            ("smp = 1,maxcpus=256", "smp = 1,maxcpus=256"), ("test_args = \"`date`\"", "only a shell"),
            ("qemu_params = -device intel-iommu", "-device intel-iommu of QEMU"),
            ("qemu_params = -cpu Skylake", "-cpu Skylake"),
            ("qemu_params = -cpu host,hv_passthrough", "-cpu host,hv_passthrough"),
            ("machine = q35", "the key `machine` is not supported"),
            ("check = /dev/null/x=1", "/dev/null/x is not 1"), ("groups = migration", "the group migration"),
            ("file = other.flat", "the key `file, twice`"), ("qemu_params = -append 'open", "only a shell"),
            ("qemu_params = -overcommit cpu-pm=on", "-overcommit cpu-pm=on"),
            ("timeout = -1", "timeout = -1"), ("timeout = soon", "timeout = soon"), ("smp = 0", "smp = 0"),
            ("smp = -5", "smp = -5"), ("qemu_params = -m", "-m  of QEMU"), ("groups = \"slow", "groups = \"slow"),
            ("check = \"\"", " is not there"), ("check = =", " is not "), ("check = =1", " is not 1"),
            ("check = 'x", "check = 'x"), ("check = /proc/cpuinfo", "/proc/cpuinfo is not there"),
            ("file = k.flat", "the key `file, twice`"), ("smp = 2\nsmp = 2\nsmp = 2", "the key `smp, twice"),
        ])
    func skipped(line: String, reason: String) throws {
        let tests = try tests(["unittests.cfg": "[x]\nfile = k.flat\n\(line)\n", "k.flat": ""])
        #expect(tests.count == 1 && tests[0].skipped?.contains(reason) == true, "\(tests[0].skipped ?? "not skipped")")
    }

    @Test("a condition that the host meets is no reason to skip")
    func condition() throws {
        let value = try String(contentsOfFile: "/proc/sys/kernel/ostype", encoding: .utf8)
        let list = "[x]\r\nfile = k.flat\r\ncheck = /proc/sys/kernel/ostype=\(value)"
        #expect(try tests(["unittests.cfg": list, "k.flat": ""])[0].skipped == nil)
    }

    @Test(
        "a line that is nothing is an error with its number, and not a part of the section above",
        arguments: ["[b", "[]", "nonsense", "]"])
    func badLine(line: String) {
        #expect {
            try UnitTestsFile("[a]\n# comment\nfile = a.flat\n\n\(line)\nfile = b.flat\n")
        } throws: { ($0 as? UnitTestsFile.BadLine)?.number == 5 }
        #expect(throws: UnitTestsFile.BadLine.self) { try UnitTestsFile("file = a.flat\n[a]\n") }
    }

    @Test("a text without its end is an error with the line where it begins, so that no section is lost in it")
    func openText() {
        #expect {
            try UnitTestsFile("[a]\nfile = a.flat\nqemu_params = \"\"\"\n-m 1\n[b]\nfile = b.flat\n")
        } throws: { ($0 as? UnitTestsFile.BadLine)?.number == 3 }
    }

    @Test("a file of the host that nobody writes does not delay a list", .timeLimit(.minutes(1)))
    func silentFile() throws {
        let directory = try TemporaryDirectory()
        #expect(try StartLiveTests.shell("mkfifo \"$1\"", directory.file("fifo")).status == 0)
        let list = "[x]\nfile = k.flat\ncheck = \(directory.file("fifo"))=1"
        #expect(try tests(["unittests.cfg": list, "k.flat": ""])[0].skipped?.hasSuffix("fifo is not 1") == true)
    }

    @Test("a condition on standard input waits for nobody")
    func silentInput() throws {
        let directory = try TemporaryDirectory()
        let list = "[x]\nfile = k.flat\ncheck = /dev/stdin=1\n"
        try Data(list.utf8).write(to: URL(fileURLWithPath: directory.file("unittests.cfg")))
        let line = """
            cd "$1" && : > k.flat && mkfifo fifo && { sleep 60 > fifo & }
            timeout 30 "$0" suite --list unittests.cfg < fifo; status=$?; kill $!; exit $status
            """
        #expect(try StartLiveTests.shell(line, directory.path).status == 0)
    }

    @Test("a timeout of 0 in a list is none, and a file that is not there is not built")
    func noTimeout() throws {
        let tests = try tests(["unittests.cfg": "[x]\nfile = k.flat\ntimeout = 0\n", "k.flat": ""])
        #expect(tests[0].skipped == nil && tests[0].timeout == nil)
        let unbuilt = try self.tests(["unittests.cfg": "[x]\nfile = other.flat\n"])
        #expect(unbuilt[0].skipped == "other.flat is not built")
    }

    @Test("the name of a guest is all before the last dot of its file")
    func dots() throws {
        #expect(try tests(["a..bin": "", "b.c.elf": ""]).map(\.name) == ["a.", "b.c"])
    }

    @Test("any bytes are a list without a trap")
    func anyBytes() {
        for _ in 0..<300 {
            let parts = [
                "[", "]", "=", "\"\"\"", "'", "\n", "file", "qemu_params", "-m", "-cpu", ",", "k", " ", "check",
                "-append", "\"", "timeout", "smp", "groups",
            ]
            let text = (0..<40).map { _ in parts.randomElement() ?? "" }.joined()
            _ = try? UnitTestsFile(text).tests(in: "/nonexistent")
        }
    }

    // MARK: Patterns

    @Test(
        "a pattern matches names and groups",
        arguments: [
            ("vmexit_ipi", true), ("vmexit*", true), ("*ipi", true), ("v*t*pi", true), ("*", true), ("slow", true),
            ("s*w", true),
            ("g1.elf", true), ("g1", true), ("../g1.elf", false),
            ("vmexit", false), ("ipi", false), ("vmexit_ipi*x", false), ("", false), ("*a*b*c*d*e*f*g*", false),
        ])
    func pattern(pattern: String, isMatch: Bool) {
        let test = SuiteTest(name: "vmexit_ipi", directory: ".", guest: "../g1.elf", groups: ["slow"])
        #expect(test.matches([pattern]) == isMatch)
        #expect(test.matches(["nothing", pattern]) == isMatch)
    }

    // MARK: Texts

    private static func result(failures: Int) -> SuiteResult {
        let test = SuiteTest(name: "a <b> # \u{1b}", directory: ".", guest: "hello")
        var failed = SuiteResult.Guest(test, .failed, "it \"ended\"")
        (failed.console, failed.errors) = (["one & two"], ["three"])
        let guests =
            [SuiteResult.Guest(test, .passed, nil), SuiteResult.Guest(test, .skipped, "no")]
            + Array(repeating: failed, count: failures)
        return SuiteResult(guests: guests, seconds: 2, jobs: 3, interrupted: false)
    }

    @Test("TAP has a plan and a line for each guest")
    func tap() {
        let lines = Self.result(failures: 1).tap.split(separator: "\n")
        #expect(lines[0] == "TAP version 14" && lines[1] == "1..3")
        #expect(lines[2] == ##"ok 1 - a <b> \# \u{1B}"## && lines[3] == ##"ok 2 - a <b> \# \u{1B} # SKIP no"##)
        #expect(lines[4] == ##"not ok 3 - a <b> \# \u{1B}"## && lines.suffix(2) == ["# | one & two", "# ! three"])
    }

    @Test("JUnit's XML is well-formed and has the counts")
    func junit() throws {
        let elements = try SVGElement.all(in: Self.result(failures: 2).junit)
        #expect(elements.map(\.name).filter { $0 == "testcase" }.count == 4)
        #expect(elements[0].attributes["tests"] == "4" && elements[0].attributes["failures"] == "2")
        let failure = try #require(elements.first { $0.name == "failure" })
        #expect(failure.text == "| one & two\n! three" && failure.attributes["message"] == "it \"ended\"")
    }

    @Test("a summary has the reason of each of a few failures")
    func reasons() {
        let lines = Self.result(failures: 5).summary.split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("failed: a <b> # ") && $0.hasSuffix("it \"ended\"") } == 5)
    }

    @Test("a summary fits on a screen, however many fail")
    func summary() {
        let lines = Self.result(failures: 500).summary.split(separator: "\n")
        #expect(
            lines.count < 24
                && lines.last == "502 guests: 1 passed, 500 failed, 1 skipped in 2 s, 0 ns of guests, 3 jobs")
    }

    private struct Failure: Error {}
}
