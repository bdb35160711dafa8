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
            ["frobnicate"], ["plan", "one", "--kernel", "2.6.1"], ["layout", "one", "--list"],
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
