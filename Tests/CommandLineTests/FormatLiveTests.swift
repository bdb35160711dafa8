import Foundation
import LiveSupport
import Testing

@testable import Laboratory
@testable import swiftlet

/// Every key of an output is named on the page of its format, and every key in the tables there is in some output.
@Suite("What programs read is what the pages say", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct FormatLiveTests {
    /// An output in JSON, and the part of the documentation that describes it.
    struct Format: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var page = "docs/formats.md"
        let heading: String?
        /// The title of the tables with the keys, or what it begins with. Nil if the page has no table for them.
        var title: String? = "key"
        /// The keys whose values are objects with names for keys, such as those of registers.
        var namesIn: Set<String> = []
        /// The keys whose objects the page of another format describes.
        var elsewhere: Set<String> = []
        /// The keys of the tables that need more than this test runs: a divergence, or an error.
        var rare: Set<String> = []
        /// Makes the objects.
        let outputs: @Sendable (TemporaryDirectory) throws -> [Any]
    }

    private static func json(_ text: String) throws -> Any { try JSONSerialization.jsonObject(with: Data(text.utf8)) }

    /// What a command prints with `--json`.
    private static func output(_ arguments: String...) throws -> Any {
        var command = Command()
        command.arguments = arguments + ["--json"]
        let result = try command.run()
        return try #require(try? json(result.output), "\(arguments): \(result.errors)")
    }

    static let formats = [
        Format(
            testDescription: "the report of a run", page: "guests/README.md", heading: "The report",
            namesIn: ["registers"]
        ) { directory in
            try [["hello"], ["fault"], ["smp", "--vcpus", "2"]].map { arguments in
                var command = Command("run", "--report", directory.file("report"))
                command.arguments += arguments
                _ = try command.run()
                return try json(String(contentsOfFile: directory.file("report"), encoding: .utf8))
            }
        },
        Format(testDescription: "plan", heading: "Plan") { directory in
            let layout = #"""
                {"name": "x", "apertures": {"low": {"base": "0xd0000000", "size": "1M"}},
                 "functions": [{"at": "00:01.0", "bars": [{"bar": 0, "kind": "memory32", "size": "4M"}]}]}
                """#
            let dump = try FormatPage("Examples/lspci.txt").text + "\n03:00.0 Ethernet controller: x\n"
            for (name, text) in ["x.json": layout, "x.txt": dump] {
                try Data(text.utf8).write(to: URL(fileURLWithPath: directory.file(name)))
            }
            return try ["hgx-8", "slots-4", directory.file("x.json"), directory.file("x.txt")].map {
                try output("plan", $0)
            }
        },
        Format(testDescription: "layout", heading: "Layout", elsewhere: ["environment", "exits"]) { _ in
            // A boot of Linux takes a kernel. The decoder wants each key of the result, and the encoder writes no other.
            let linux = #"""
                {"schema": 1, "layout": "", "functions": 0, "bars": 0, "bytesChecked": 0, "moves": 0, "refusedChanges": 0,
                 "edits": {"created": 0, "deleted": 0, "moved": 0, "flagged": 0}, "seconds": 0, "differences": 0,
                 "exits": {"pio": 0, "mmio": 0, "hlt": 0, "irqWindow": 0, "other": 0}, "differenceList": [],
                 "outcome": "", "exitCode": 0, "ok": true, "ending": "", "console": ""}
                """#
            let result = try JSONDecoder().decode(LinuxResult.self, from: Data(linux.utf8))
            return [
                try output("layout", "one"), try json(String(decoding: try encodeJSON(result), as: UTF8.self)),
            ]
        },
        Format(
            testDescription: "the environment", page: "docs/prices.md", heading: nil, title: nil,
            namesIn: ["parameters"]
        ) { _ in
            let object = try output("stress", "churn", "--operations", "10") as? [String: Any]
            return [try #require(object?["environment"])]
        },
        Format(testDescription: "compare", heading: "Comparison of price lists", elsewhere: ["cell"]) { directory in
            let list = try #require(try FormatPage("docs/prices.md", "JSON").blocks("json").first)
            try Data(list.utf8).write(to: URL(fileURLWithPath: directory.file("p.json")))
            return [try output("compare", directory.file("p.json"), directory.file("p.json"))]
        },
        Format(
            testDescription: "the result of a suite", page: "docs/suite.md", heading: "The results as JSON"
        ) { directory in
            let suite = #"{"tests": [{"guest": "hello"}, {"guest": "fault"}, {"guest": "hello", "skip": "x"}]}"#
            try Data(suite.utf8).write(to: URL(fileURLWithPath: directory.file("s.json")))
            return [try output("suite", directory.file("s.json"))]
        },
        Format(testDescription: "errors of a machine that runs", page: "docs/control.md", heading: nil) { _ in
            // That these are its answers is what another test is about.
            try FormatPage("docs/control.md").text.split(separator: "\n").filter { $0.hasPrefix("< ") }
                .map { try json(String($0.dropFirst(2))) }
        },
        Format(
            testDescription: "stress", heading: "Stress tests", title: "key of ",
            namesIn: ["refusals", "guestMemoryRefusals", "features"], elsewhere: ["environment"],
            rare: ["divergence", "operationList", "trace", "firstError", "problem"]
        ) { _ in
            try [
                output("stress", "fill"), output("stress", "churn", "--operations", "200"),
                output("stress", "toggle", "one", "--operations", "10"),
                output("stress", "fuzz", "--operations", "500"), output("stress", "hotplug", "--cycles", "20"),
            ]
        },
        Format(testDescription: "records of the fuzzer", page: "docs/stress.md", heading: "fuzz", title: nil) {
            directory in
            _ = try output("stress", "fuzz", "--operations", "2000", "--record", directory.file("record"))
            let lines = try String(contentsOfFile: directory.file("record"), encoding: .utf8).split(separator: "\n")
            return try lines.map { try json(String($0)) } + [
                output("stress", "fuzz", "--replay", directory.file("record"))
            ]
        },
        Format(
            testDescription: "probe", heading: "Probe", namesIn: ["capabilities"], elsewhere: ["environment"]
        ) { _ in [try output("probe")] },
        Format(testDescription: "lists", heading: "Lists", title: nil, rare: ["skipped"]) { directory in
            try Data("{\"tests\": [{\"guest\": \"hello\"}]}".utf8).write(to: URL(filePath: directory.file("s.json")))
            return try [
                output("guests"), output("guests", "--new", directory.file("new")), output("layout", "--list"),
                output("vfio"), output("prices", "--list"), output("suite", directory.file("s.json"), "--list"),
            ]
        },
    ]

    @Test("key by key, both ways", .timeLimit(.minutes(5)), arguments: formats)
    func keys(format: Format) throws {
        let page = try FormatPage(format.page, format.heading)
        let outputs = try format.outputs(TemporaryDirectory())
        let found = CommandLineTests.keys(of: outputs, namesIn: format.namesIn.union(format.elsewhere))
        let unnamed = found.filter { !page.names($0) }
        #expect(!found.isEmpty && unnamed == [], "\(unnamed.sorted()): keys that \(format.page) does not name")
        guard let title = format.title else { return }
        let told = page.words(inTables: title)
        let missing = told.subtracting(found).subtracting(format.rare)
        #expect(!told.isEmpty && missing == [], "\(missing.sorted()): keys that no output has")
        #expect(format.rare.subtracting(told) == [], "keys that \(format.page) does not have in a table")
    }

    /// A line of a trace without its numbers: the text between the vCPU and the instruction pointer.
    private static func shape(_ line: some StringProtocol) -> String {
        String(line).replacing(#/[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/#, with: "F").replacing(
            #/(0x[0-9a-f]+|\b\d+\b)/#, with: "N"
        )
        .replacing("bytes", with: "byte")
    }

    @Test("line by line, for traces, both ways", .timeLimit(.minutes(5)))
    func trace() throws {
        let page = try FormatPage("docs/formats.md", "Trace of a run")
        let told = Set(page.words(inTables: "line").map(Self.shape))
        let directory = try TemporaryDirectory()
        var found: Set<String> = []
        let flat: [UInt8] = [
            // mov dx, 0x3f8; mov ecx, 3; mov edi, 0x20000; rep insb
            0x66, 0xba, 0xf8, 0x03, 0xb9, 3, 0, 0, 0, 0xbf, 0, 0, 2, 0, 0xf3, 0x6c,
            0xe4, 0x99, 0xe6, 0x99,  // in al, 0x99; out 0x99, al
            0xa0, 0, 0x10, 0, 0xd0, 0, 0, 0, 0,  // mov al, [0xd0001000]
            0xa2, 0, 0x10, 0, 0xd0, 0, 0, 0, 0,  // mov [0xd0001000], al
            0xf4,  // hlt
        ]
        for (name, code) in ["flat": flat, "loop": [0xeb, 0xfe]] {
            try Data(code).write(to: URL(fileURLWithPath: directory.file(name)))
        }
        for arguments in [
            ["hello"], ["fault"], ["mmio"], [directory.file("flat")], ["--timeout", "200ms", directory.file("loop")],
            ["--trace-limit", "200", "hello"],
        ] {
            var command = Command("run", "--trace", directory.file("trace"))
            command.arguments += arguments
            _ = try command.run()
            for line in try String(contentsOfFile: directory.file("trace"), encoding: .utf8).split(separator: "\n") {
                let event = line.replacing(#/^\d+ us vcpu\d+ /#, with: "").replacing(#/, rip 0x[0-9a-f]+$/#, with: "")
                found.insert(Self.shape(event))
            }
        }
        let end = "the trace ends here, at its limit"
        let isCut = found.remove(end) != nil
        #expect(isCut && page.names(end))
        #expect(found.subtracting(told) == [], "lines that the page does not have")
        let rare = [
            "out port N, N byte, N times", "interrupt", "debug", "system", "internal", "entry", "un", "KVM_RUN",
            "refused", "lost",
        ]
        let missing = told.subtracting(found).filter { line in !rare.contains { line.hasPrefix($0) } }
        #expect(missing == [], "lines that no trace has")
    }
}
