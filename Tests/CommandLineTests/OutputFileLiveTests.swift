import Foundation
import LiveSupport
import Testing

@Suite("Files that options name", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct OutputFileLiveTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func old(_ name: String) throws -> String {
        let path = directory.file(name)
        try Data("older\n".utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func text(_ path: String) -> String? {
        try? String(contentsOfFile: path, encoding: .utf8)
    }

    private func run(_ arguments: [String]) throws -> Command.Result {
        var command = Command()
        command.arguments = arguments
        command.directory = URL(fileURLWithPath: directory.path)
        return try command.run()
    }

    @Test("replace older ones when they are whole, with their permissions, and leave nothing beside")
    func replaced() throws {
        let paths = try ["r", "t", "m"].map(old)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: paths[0])
        let result = try run(["run", "hello", "--report", paths[0], "--trace", "t", "--map", "./m"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(text(paths[0])?.hasPrefix("{") == true && text(paths[1])?.contains("vcpu0") == true)
        #expect(text(paths[2])?.hasPrefix("<svg") == true)
        #expect(directory.names == ["m", "r", "t"])
        let mode = try FileManager.default.attributesOfItem(atPath: paths[0])[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test(
        "leave older ones alone where the command fails",
        arguments: [
            ["run", "nobody"], ["run", "hello", "--vcpus", "0"], ["run", "/nonexistent/guest"],
            ["run", "hello", "--memory", "512T"], ["run", "hello", "--map", "/nonexistent/map.svg"],
        ])
    func leftAlone(arguments: [String]) throws {
        let report = try old("r")
        let result = try run(arguments + ["--report", "r"])
        #expect(result.status >= 64 && text(report) == "older\n")
        #expect(directory.names == ["r"])
    }

    @Test(
        "are refused for two purposes, whatever their names",
        arguments: [
            ["--report", "a", "--trace", "a"], ["--report", "a", "--map", "./a"],
            ["--report", "new", "--trace", "./new"],
            ["--trace", "a", "--map", "b"], ["--report", "guest"],
        ])
    func twoPurposes(options: [String]) throws {
        let (first, guest) = (try old("a"), directory.file("guest"))
        try FileManager.default.linkItem(atPath: first, toPath: directory.file("b"))
        try Data([0xf4]).write(to: URL(fileURLWithPath: guest))
        let result = try run(["run", "./guest"] + options)
        #expect(result.status == 64 && result.errors.contains(" too: "), "\(result.errors)")
        #expect(text(first) == "older\n" && directory.names == ["a", "b", "guest"])
    }

    @Test("are refused where the layout, or standard output, is the same file")
    func otherUses() throws {
        let layout = directory.file("l")
        try Data(#"{"name": "l", "functions": []}"#.utf8).write(to: URL(fileURLWithPath: layout))
        #expect(try run(["layout", "./l", "--map", "./l"]).status == 64)
        #expect(try run(["plan", "./l", "--map", layout]).status == 64)
        #expect(text(layout)?.hasPrefix("{") == true)
        let both = try StartLiveTests.shell("exec \"$0\" run hello --report \"$1\" > \"$1\"", directory.file("out"))
        #expect(both.status == 64)
    }

    @Test("are not followed as symbolic links, but devices, pipes and streams are written to as they are")
    func links() throws {
        let target = try old("target")
        try FileManager.default.createSymbolicLink(atPath: directory.file("link"), withDestinationPath: target)
        let result = try run(["run", "hello", "--report", "link"])
        #expect(result.status == 64 && result.errors.contains("symbolic link") && text(target) == "older\n")
        for stream in ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"] {
            #expect(try run(["run", "hello", "--report", stream]).errors.hasPrefix("{"))
        }
        #expect(try run(["run", "hello", "--report", "/dev/null", "--trace", "/dev/null"]).status == 0)
        #expect(directory.names == ["link", "target"])
    }

    @Test("that do not fit on the disk are an error", arguments: ["--report", "--trace", "--map"])
    func fullDisk(option: String) throws {
        let full = try run(["run", "hello", option, "/dev/full"])
        #expect(full.status == 70 && full.errors.contains("No space left"), "\(full.errors)")
        #expect(full.errors.contains(option.dropFirst(2)))
    }

    @Test("that outgrow a limit are an error, and older ones stay")
    func limit() throws {
        let trace = try old("t")
        // xor cx, cx; in al, 0x80; loop back to it 65536 times; mov al, 0; out 0xf4, al
        let guest = try TemporaryFile([0x31, 0xc9, 0xe4, 0x80, 0xe2, 0xfc, 0xb0, 0x00, 0xe6, 0xf4])
        // In blocks of 512 bytes: the guest's memory is a file too, and fits.
        let line = "ulimit -f 2100; exec \"$0\" run --mode real --memory 1M --trace \"$1\" \"$2\""
        let result = try StartLiveTests.shell(line, trace, guest.path)
        #expect(result.status == 70 && result.errors.contains("File too large"), "\(result.errors)")
        #expect(text(trace) == "older\n" && directory.names == ["t"])
    }

    @Test("that are directories are refused before the guest runs")
    func directories() throws {
        let result = try run(["run", "hello", "--report", "."])
        #expect(result.status == 70 && result.output.isEmpty && result.errors.contains("directory"))
        #expect(directory.names == [])
    }
}
