import Foundation
import Testing

@Suite("What the command line says without a guest")
struct UsageTests {
    @Test(
        "help shows an example, for every command",
        arguments: [[], ["run"], ["guests"], ["layout"], ["plan"], ["probe"], ["prices"], ["compare"]])
    func help(command: [String]) throws {
        var requested = Command("--help")
        requested.arguments = command + ["--help"]
        let result = try requested.run()
        #expect(result.status == 0)
        #expect(result.output.contains("Example"))
    }

    @Test("the list of guests has a line for each, with its mode")
    func guests() throws {
        let result = try Command("guests").run()
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\n")
        #expect(lines.count >= 8)
        #expect(lines.contains { $0.hasPrefix("hello-real") && $0.contains("real") })
    }

    @Test(
        "wrong usage ends with 64 and a message",
        arguments: [
            ["compare", "-", "-"], ["plan", "one", "--kernel", "2.6.1"], ["plan", "one", "--kernel", "2.6.31"],
            ["plan", "one", "--kernel", "+5.4"],
            ["frobnicate"], ["layout", "one", "--list"],
            ["prices", "--list", "--plot", "p.svg"], ["suite", "s.json", "--list", "--tap"],
            ["prices", "--title", "T"], ["plan", "one", "--title", "T"],
            ["run", "--memory", "12X"], ["run", "--memory", "5ß"], ["run", "--vcpus", "0"],
            ["run", "--vcpus", "x"],
            ["run", "--timeout", "-1s"], ["run", "--timeout", "never"], ["run", "--mode", "virtual"],
            ["run", "--irqchip", "split"], ["run", "nobody"], ["run", "hello", "--mode", "real"],
            ["run", "--vcpus", "2", "--irqchip", "none"], ["run", "--load-address", "0xzz", "./x"],
            ["run", "--decode", "lazy"], ["run", "--unassigned"], ["run", ""], ["run", "--map", "-"],
            ["run", "--flat"], ["run", "hello", "--vfs", "1"], ["run", "--only", "00:01.0"],
            ["run", "--layout", "one", "--fix", "00:04.0/0=none"],
            ["run", "--layout", "one", "--rebar", "00:04.0/1=4K"],
            ["run", "--layout", "one", "--fix", "00:04.0/0=3G", "--fix", "00:04.0/0=0xd0000000"],
            ["run", "--layout", "one", "--fix", "00:04.0/0=3G", "--unassigned"],
            ["run", "--layout", "one", "--show-capability", "ATS"],
            ["run", "--map", ""], ["run", "--report", ""], ["guests", "--new", ""], ["run", "--control", ""],
            ["run", "--title", "x"], ["plan", "one", "--title", "x"], ["prices", "--title", "x"],
            ["run", "--map", "x.png"], ["plan", "one", "--map", "x.SVG"], ["stress", "fill", "--plot", "x.html"],
            ["layout", "one", "--linux", "./k", "--map", "x.svg"],
            ["run", "-", "--layout", "-"], ["run", "-", "--initrd", "-"],
        ])
    func wrongUsage(arguments: [String]) throws {
        var command = Command()
        command.arguments = arguments
        let result = try command.run()
        #expect(result.status == 64)
        #expect(!result.errors.isEmpty)
        #expect(result.output.isEmpty)
    }

    @Test(
        "a list is one JSON object if that is asked for",
        arguments: [
            (["layout", "--list", "--json"], "layoutList"), (["guests", "--json"], "guestList"),
            (["prices", "--list", "--json"], "operationList"), (["suite", "FILE", "--list", "--json"], "guestList"),
        ])
    func lists(arguments: [String], key: String) throws {
        let suite = try TemporaryFile(Array(#"{"tests": [{"guest": "hello", "groups": ["x"]}]}"#.utf8))
        var command = Command()
        command.arguments = arguments.map { $0 == "FILE" ? suite.path : $0 }
        let result = try command.run()
        #expect(result.status == 0)
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        #expect((object?[key] as? [[String: Any]])?.isEmpty == false, "\(result.output)")
    }

    @Test(
        "a version of Linux whose limits are not known is said to be so",
        arguments: [("5.19", false), ("3.0", false), ("6.18", false), ("5.20", true), ("99.0", true)])
    func unknownKernel(version: String, isTold: Bool) throws {
        let result = try Command("plan", "one", "--kernel", version).run()
        #expect(result.status == 0 && result.errors.contains("no such version is known") == isTold, "\(result.errors)")
    }

    @Test("a directory without functions is told from one with functions that cannot be used")
    func otherDirectory() throws {
        let directory = try TemporaryDirectory()
        for name in ["", "a.txt", "b"] {
            if !name.isEmpty { try Data("x".utf8).write(to: URL(fileURLWithPath: directory.file(name))) }
            let result = try Command("plan", directory.path).run()
            #expect(result.status == 65 && result.errors.contains("such as 0000:01:00.0"), "\(result.errors)")
        }
    }

    // MARK: Standard input

    /// Runs `swiftlet plan -` by a shell, whose script has the program in `$0` and a file in `$1`.
    private func plan(_ script: String, of text: String) throws -> Command.Result {
        let file = try TemporaryFile(Array(text.utf8))
        return try withExtendedLifetime(file) { try StartLiveTests.shell(script, file.path) }
    }

    @Test("a file at standard input is read from its present place on, as a pipe is")
    func place() throws {
        let layout = "not JSON\n" + #"{"name": "here", "functions": []}"#
        for script in ["{ read line; exec \"$0\" plan -; } < \"$1\"", "{ read line; cat; } < \"$1\" | \"$0\" plan -"] {
            let result = try plan(script, of: layout)
            #expect(result.status == 0 && result.output.hasPrefix("here fits"), "\(script): \(result.errors)")
        }
    }

    @Test("standard input that is closed is an error, and not empty")
    func closed() throws {
        let result = try plan("exec \"$0\" plan - <&-", of: "")
        #expect(result.status == 65 && result.errors.contains("Bad file descriptor"), "\(result.errors)")
    }

    @Test("standard input that does not block is waited for", .timeLimit(.minutes(1)))
    func nonBlocking() throws {
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        #expect(fcntl(input.fileHandleForReading.fileDescriptor, F_SETFL, O_NONBLOCK) == 0)
        process.executableURL = Command.executable
        process.arguments = ["plan", "-"]
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        for part in [#"{"name": "here", "#, #""functions": []}"#] {
            Thread.sleep(forTimeInterval: 0.3)
            input.fileHandleForWriting.write(Data(part.utf8))
        }
        try input.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && text.hasPrefix("here fits"))
    }

    @Test("--new writes all files of the template, and none over another")
    func template() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(try Command("guests", "--new", directory.path).run().status == 0)
        let template = URL(filePath: #filePath).appending(path: "../../../guests/template").standardized
        let names = try FileManager.default.contentsOfDirectory(atPath: template.path)
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: directory.path)) == Set(names))
        for name in names {
            #expect(
                try Data(contentsOf: directory.appending(path: name))
                    == Data(contentsOf: template.appending(path: name)))
        }
        let again = try Command("guests", "--new", directory.path).run()
        #expect(again.status == 64 && again.errors.contains("the file Makefile exists already"))
        let impossible = try Command("guests", "--new", "/proc/nothing/here").run()
        #expect(impossible.status == 70 && impossible.errors.contains("/proc/nothing/here"))
    }

    @Test("a guest that is not there, or is empty, ends with 65 and its name")
    func badFiles() throws {
        let missing = try Command("run", "/nonexistent/guest").run()
        #expect(missing.status == 65)
        #expect(missing.errors.contains("/nonexistent/guest"))
        let empty = try TemporaryFile([])
        #expect(try Command("run", empty.path).run().status == 65)
        #expect(try Command("run", "/").run().status == 65)
    }

    @Test("a file that is named without a slash is told how to be named")
    func fileWithoutSlash() throws {
        let file = try TemporaryFile([0xf4])
        let url = URL(fileURLWithPath: file.path)
        var command = Command("run", url.lastPathComponent)
        command.directory = url.deletingLastPathComponent()
        let result = try command.run()
        #expect(result.status == 64)
        #expect(result.errors.contains("to run the file, name it with a slash: ./\(url.lastPathComponent)"))
    }

    @Test("errors take one line")
    func oneLine() throws {
        for arguments in [["run", "nobody"], ["run", "/nonexistent/guest"]] {
            var command = Command()
            command.arguments = arguments
            #expect(try command.run().errors.split(separator: "\n").count == 1)
        }
    }
}
