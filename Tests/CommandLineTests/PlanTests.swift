import Foundation
import LayoutFixtures
import Testing

/// Needs no KVM.
@Suite("swiftlet plan")
struct PlanTests {
    @Test("a full bus is 2048 slots, which fit 5.12 and not 4.0")
    func fullBus() throws {
        let json = try report(["full-bus"])
        #expect(json["layout"] as? String == "full-bus" && json["functions"] as? Int == 256)
        #expect(json["pieces"] as? [String: Int] == ["mapped": 2048, "trapped": 256])
        #expect(json["slots"] as? [String: Int] == ["separate": 2048, "coalesced": 258])
        #expect(json["kernelBytes"] as? [String: Int] == ["shadow": 48 << 20, "tdp": 16 << 20])
        #expect(json["fits"] as? Bool == true && json["firstToEnd"] as? String == "open files")
        let kernels = try #require(json["kernels"] as? [[String: Any]])
        #expect(kernels.map { $0["version"] as? String } == ["before 3.9", "3.9", "4.0", "5.12"])
        #expect(kernels.map { $0["fits"] as? Bool } == [false, false, false, true])
        #expect(kernels.map { $0["slots"] as? Int } == [32, 125, 509, 32764])
        #expect(kernels.allSatisfy { $0["tableBytes"] is Int })
        let budgets = try #require(json["budgets"] as? [[String: Any]])
        let address = budgets.first { $0["name"] as? String == "highest guest address" }
        #expect(address?["need"] as? String == "0xd09fffff" && address?["limit"] as? String == "0xffffffffffff")
        let slots = budgets.first { $0["name"] as? String == "slots" }
        #expect(slots?["need"] as? Int == 2048 && slots?["limit"] as? Int == 32764 && slots?["fits"] as? Bool == true)
        for name in ["32-bit aperture", "IRQ routes", "VFIO DMA mappings", "mapped areas", "vhost-user regions, 509"] {
            #expect(budgets.contains { $0["name"] as? String == name })
        }
    }

    @Test(
        "the text begins with the answer and has the functions and BARs; the four kernels and the tables of 2012 on request"
    )
    func text() throws {
        let result = try Command("plan", "full-bus").run()
        #expect(result.status == 0 && result.output.hasPrefix("full-bus fits; open files come next, at 75 %\n"))
        for words in [
            "00:1f.7", "256 functions alike", "2048 separate or 258 coalesced", "32,764", "BAR 5", "1af4:0008",
            "Linux 5.12",
        ] {
            #expect(result.output.contains(words), "\(words)")
        }
        for words in ["2456", "128 slots 9000", "7680", "7440", "vhost", "shares pages"] {
            #expect(!result.output.contains(words), "\(words)")
            let all = try Command("plan", "full-bus", "--verbose").run()
            #expect(all.output.contains(words), "\(words)")
        }
        let over = try Command("plan", "full-bus", "--kernel", "4.0").run()
        #expect(over.output.hasPrefix("full-bus does not fit: slots (2,048 needed, 509 there)"))
    }

    @Test("commas give each BAR a line, and names with commas quotes")
    func csv() throws {
        let text = LspciText.gpu("10000:01:00.0").replacing("Example Graphics Adapter", with: "Example, \"Inc.\"")
        let lines = try Command("plan", "-", "--csv", input: text).run().output.split(separator: "\n")
        #expect(lines.count == 6 && lines[0].hasPrefix("function,guestAddress,register,address,size,"))
        #expect(
            lines[1]
                == "10000:01:00.0,01:00.0,BAR 0,0xd0000000,16777216,memory32,false,1,0,,\"VGA compatible controller: Example, \"\"Inc.\"\"\""
        )
        #expect(lines[4].contains(",io,") && lines[5].contains(",ROM,"))
    }

    @Test("a dump comes on standard input; what is skipped is counted, and can be refused")
    func standardInput() throws {
        let text = LspciText.gpu("01:00.0") + "05:00.0 Ethernet controller: x\n\tKernel modules: x\n\n"
        let result = try Command("plan", "-", "--json", input: text).run()
        let json = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let skipped = try #require(json["skipped"] as? [[String: Any]])
        #expect(
            skipped.count == 1 && skipped[0]["function"] as? String == "05:00.0" && skipped[0]["line"] as? Int == 17)
        #expect((skipped[0]["reason"] as? String)?.contains("lspci -vvv") == true)
        let list = try #require(json["functionList"] as? [[String: Any]])
        let registers = try #require(list[0]["registers"] as? [[String: Any]])
        #expect(registers.map { $0["size"] as? Int } == [16 << 20, 256 << 20, 32 << 20, 128, 512 << 10])
        let words = try Command("plan", "-", input: text).run().output
        #expect(
            words.hasPrefix("standard input fits, with 1 function not counted (see below)")
                && words.contains("\nnot counted "))
        #expect(try Command("plan", "-", "--complete", input: text).run().status == 65)
        #expect(try Command("plan", "-", "--complete", input: LspciText.gpu("01:00.0")).run().status == 0)
    }

    @Test("a name that is almost one is answered with it, and forms without BARs with what to run")
    func advice() throws {
        #expect(try Command("plan", "typical16").run().errors.contains("did you mean typical-16"))
        #expect(!(try Command("plan", "nothing").run().errors.contains("did you mean")))
        let tree = try Command("plan", "-", input: "-[0000:00]-+-00.0  Example\n").run()
        #expect(tree.status == 65 && tree.errors.contains("lspci -vvv"))
        let list = try Command("plan", "-", input: "01:00.0 VGA compatible controller: Example\n").run()
        #expect(list.status == 65 && list.errors.contains("lspci -vvv"))
    }

    @Test(
        "over budget ends with 1",
        arguments: [
            (["full-bus"], 0), (["full-bus", "--kernel", "4.0"], 1), (["full-bus", "--kernel", "6.1.0-13-amd64"], 0),
            (["full-bus", "--kernel", "4.0", "--slots", "coalesced"], 0), (["past-the-limit"], 1),
            (["hgx-8", "--address-bits", "39"], 1), (["hgx-8"], 0),
        ])
    func status(arguments: [String], status: Int) throws {
        var command = Command("plan")
        command.arguments += arguments
        #expect(try Int(command.run().status) == status)
    }

    @Test("wrong usage ends with 64, bad input with 65, both in a line")
    func errors() throws {
        let dump = try TemporaryFile(Array(LspciText.workstation().utf8))
        let usage = [
            ["nothing"], ["full-bus", "--kernel", "new"], ["full-bus", "--address-bits", "20"],
            ["full-bus", "--only", "1"],
            [dump.path, "--only", "05:00.0"], ["full-bus", "--size", "00:00.0/0=4K"],
            [dump.path, "--size", "01:00.0=4K"], [dump.path, "--size", "01:00.0/0=3M"],
            [dump.path, "--size", "01:00.0/2=4K"],
            [dump.path, "--size", "02:00.0/0=4K"], [dump.path, "--size", "01:00.0/0=some"], ["one", "--json", "--csv"],
            ["one", "--host-pages", "5K"], ["one", "--iommu", "other"], ["one", "--memory", "3"],
            ["one", "--exclude", "00:04.0,"], ["one", "--vfs", "-1"],
        ]
        for arguments in usage {
            var command = Command("plan")
            command.arguments += arguments
            let result = try command.run()
            #expect(result.status == 64 && result.output.isEmpty, "\(arguments): \(result.errors)")
        }
        for text in ["", "not a dump\n", "00:00.0 VGA: no regions\n", LspciText.bridge("00:01.0")] {
            let file = try TemporaryFile(Array(text.utf8))
            let result = try Command("plan", file.path).run()
            #expect(result.status == 65 && result.output.isEmpty)
            #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        }
        #expect(try Command("plan", "/nonexistent/dump").run().status == 65)
    }

    @Test("a dump is planned, chosen functions alone, and what is skipped is told on standard error and in the report")
    func dump() throws {
        let file = try TemporaryFile(Array((LspciText.workstation() + "05:00.0 Disk: x\n\tRegion 0: what\n\n").utf8))
        let json = try report([file.path, "--only", "21:00.0,41:00.0"])
        let list = try #require(json["functionList"] as? [[String: Any]])
        #expect(list.map { $0["address"] as? String } == ["21:00.0", "41:00.0"])
        #expect(list.map { $0["mapped"] as? Int } == [3, 4])
        let result = try Command("plan", file.path, "--json").run()
        #expect(result.errors.contains("05:00.0") && result.errors.contains("skipped"))
        let all = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        // Two cards have virtual functions of unknown sizes, and no bridge leads to their buses.
        #expect((all["warnings"] as? [String])?.count == 4 && all["sure"] as? Bool == false)
        #expect(all["functions"] as? Int == 8 && all["bridges"] as? Int == 1)
        let with = try report([file.path, "--only", "21:00.0", "--vfs", "4", "--size", "21:00.0/vf0=1M"])
        #expect(with["functions"] as? Int == 5)
    }

    @Test("a directory as in sysfs is planned")
    func sysfs() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        let function = directory.appending(path: "0000:03:00.0")
        try FileManager.default.createDirectory(at: function, withIntermediateDirectories: true)
        try Data(ConfigBytes.network.bytes).write(to: function.appending(path: "config"))
        try Data(ConfigBytes.networkResource.utf8).write(to: function.appending(path: "resource"))
        let json = try report([directory.path, "--vfs", "2"])
        #expect(json["functions"] as? Int == 3)
        #expect((json["slots"] as? [String: Int])?["separate"] == 6)
        // A pipe that nobody writes to is no reason to wait.
        try FileManager.default.removeItem(at: function.appending(path: "resource"))
        try Process.run(
            URL(fileURLWithPath: "/usr/bin/mkfifo"), arguments: [function.appending(path: "resource").path]
        ).waitUntilExit()
        let waiting = try Command("plan", directory.path).run()
        #expect(waiting.status == 65 && waiting.errors.contains("its file `resource` is empty"))
        #expect(try Command("vfio", "--sysfs", directory.path).run().status == 65)
    }

    @Test("an address or segments that cannot be name the options that help")
    func optionsThatHelp() throws {
        let fixed = try Command("plan", "one", "--fix", "00:04.0/0=0x1000").run()
        #expect(fixed.status == 1 && fixed.output.contains("--fix"), "\(fixed.output)")
        let functions = (0..<5).map {
            #"{"at": "000\#($0):00:02.0", "bars": [{"bar": 0, "kind": "memory32", "size": "4K"}]}"#
        }
        let file = try TemporaryFile(
            Array(#"{"name": "x", "functions": [\#(functions.joined(separator: ","))]}"#.utf8))
        let segments = try Command("plan", file.path).run()
        #expect(segments.status == 64 && segments.errors.contains("--flat"), "\(segments.errors)")
        #expect(try Command("plan", file.path, "--flat").run().status == 0)
        #expect(try Command("plan", file.path, "--buses", "16").run().status == 0)
    }

    @Test("the map has every piece")
    func map() throws {
        let file = try TemporaryFile([])
        #expect(try Command("plan", "typical-16", "--map", file.path).run().status == 0)
        let svg = try String(contentsOfFile: file.path, encoding: .utf8)
        // The drawing itself, 64 mapped pieces and 16 trapped ones.
        #expect(svg.components(separatedBy: "<title>").count - 1 == 81)
    }

    @Test("a directory of text files is refused, and says what a directory of functions has")
    func directory() throws {
        let directory = try TemporaryDirectory()
        try Data(LspciText.gpu("01:00.0").utf8).write(to: URL(filePath: directory.file("a.txt")))
        let result = try Command("plan", directory.path).run()
        #expect(result.status == 65 && result.errors.contains("such as 0000:01:00.0"), "\(result.errors)")
    }

    @Test("the map has the windows of bridges")
    func windows() throws {
        let file = try TemporaryFile([])
        #expect(try Command("plan", "server-8-gpus", "--map", file.path).run().status == 0)
        let svg = try String(contentsOfFile: file.path, encoding: .utf8)
        #expect(svg.contains("00:01.0 memory window") && svg.contains("prefetchable window"))
    }

    @Test("sizes that are missing are asked for at their places, and the answer is not sure of them")
    func unsure() throws {
        let file = try TemporaryFile(Array(LspciText.network("21:00.0").utf8))
        for (options, words) in [
            ([], "fits, with 1 function counted only in part (see below)"),
            (["--vfs", "2"], "fits, with 1 function not counted (see below)"),
        ] {
            var command = Command("plan", file.path)
            command.arguments += options
            let result = try command.run()
            #expect(result.status == 0 && result.output.contains(words), "\(result.output)")
            #expect(result.output.contains("VF BAR 0") && result.output.contains("--size 21:00.0/vf0=SIZE"))
            #expect(result.errors.isEmpty, "what the table tells is not told twice: \(result.errors)")
        }
        #expect(try report([file.path])["sure"] as? Bool == false)
        #expect(try report([file.path, "--size", "21:00.0/vf0=1M"])["sure"] as? Bool == true)
    }

    private func report(_ arguments: [String]) throws -> [String: Any] {
        var command = Command("plan", "--json")
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == 0, "\(result.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }
}
