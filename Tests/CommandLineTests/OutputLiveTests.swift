import Foundation
import LiveSupport
import Testing

@Suite("Output that is slow, full or gone", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct OutputLiveTests {
    /// in al, 0x80; jmp back: an exit after the other, for ever.
    private static let busy: [UInt8] = [0xe4, 0x80, 0xeb, 0xfc]

    @Test("a trace that nobody reads does not hold up the end of the run", .timeLimit(.minutes(1)))
    func blockedTrace() throws {
        let guest = try TemporaryFile(Self.busy)
        let process = Process()
        process.executableURL = Command.executable
        process.arguments = ["run", "--mode", "real", "--timeout", "300ms", "--trace", "-", guest.path]
        let full = Pipe()
        process.standardError = full
        try process.run()
        // Once the run is over only the rest of the trace waits, and a signal ends that.
        Thread.sleep(forTimeInterval: 3)
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal || [124, 130].contains(process.terminationStatus))
        withExtendedLifetime(full) {}
    }

    @Test("a run that is ended does not wait for the reader of its trace", .timeLimit(.minutes(1)))
    func unreadTrace() throws {
        let guest = try TemporaryFile(Self.printers)
        let fifo = FileManager.default.temporaryDirectory.appending(path: "swiftlet-test-\(UUID().uuidString)").path
        try Process.run(URL(fileURLWithPath: "/usr/bin/mkfifo"), arguments: [fifo]).waitUntilExit()
        defer { try? FileManager.default.removeItem(atPath: fifo) }
        // A reader that does not read.
        let reader = try #require(FileHandle(forUpdatingAtPath: fifo))
        defer { try? reader.close() }
        let process = Process()
        process.executableURL = Command.executable
        process.arguments = [
            "run", "--vcpus", "2", "--irqchip", "kernel", "--timeout", "1s", "--trace", fifo, guest.path,
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 124)
    }

    @Test("a trace ends at its limit with whole lines, and says so")
    func traceLimit() throws {
        let directory = try TemporaryDirectory()
        func trace(_ limit: String) throws -> String {
            let result = try Command("run", "hello", "--trace", directory.file("t"), "--trace-limit", limit).run()
            #expect(result.status == 0, "\(result.errors)")
            return try String(contentsOfFile: directory.file("t"), encoding: .utf8)
        }
        let whole = try trace("1M")
        #expect(!whole.contains("limit") && whole.count > 1000)
        let cut = try trace("500")
        let lines = cut.split(separator: "\n")
        #expect(lines.last == "the trace ends here, at its limit")
        #expect(lines.dropLast().allSatisfy { $0.contains(" us vcpu0 ") })
        #expect((400...540).contains(cut.utf8.count))
        #expect(try trace("0") == "the trace ends here, at its limit\n")
        #expect(try Command("run", "hello", "--trace-limit", "1M").run().status == 64)
    }

    @Test("a pipe that nobody opens costs the output and not the end", .timeLimit(.minutes(1)))
    func unopenedPipe() throws {
        let directory = try TemporaryDirectory()
        #expect(try StartLiveTests.shell("mkfifo \"$1\"", directory.file("pipe")).status == 0)
        let result = try Command("run", "hello", "--timeout", "200ms", "--trace", directory.file("pipe")).run()
        #expect(result.status == 124)
    }

    @Test("a trace that cannot be written is an error")
    func fullTrace() throws {
        let result = try Command("run", "hello", "--trace", "/dev/full").run()
        #expect(result.status == 70 && result.errors.contains("trace"))
    }

    @Test("a console that nobody reads does not hold up the end of the run", .timeLimit(.minutes(1)))
    func blockedConsole() throws {
        // mov al, 'x'; out 0xe9, al; jmp back to the out.
        let guest = try TemporaryFile([0xb0, 0x78, 0xe6, 0xe9, 0xeb, 0xfc])
        let process = Process()
        process.executableURL = Command.executable
        process.arguments = ["run", "--mode", "real", "--timeout", "1500ms", guest.path]
        let full = Pipe()
        process.standardOutput = full
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 124)
        withExtendedLifetime(full) {}
    }

    /// The first vCPU starts the second, which prints `a` for ever, waits until that fills a pipe, prints 5000 times `B` and exits:
    private static let printers: [UInt8] = {
        let first: [UInt8] = [
            0xbf, 0x00, 0x00, 0xe0, 0xfe, 0xc7, 0x87, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00, 0xc7, 0x87, 0x10,
            0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xc7, 0x87, 0x00, 0x03, 0x00, 0x00, 0x00, 0x45, 0x00, 0x00, 0xc7,
            0x87, 0x00, 0x03, 0x00, 0x00, 0x11, 0x46, 0x00, 0x00, 0x49, 0xb8, 0x00, 0x28, 0x6b, 0xee, 0x00, 0x00, 0x00,
            0x00, 0xe8, 0x22, 0x00, 0x00, 0x00, 0xb9, 0x88, 0x13, 0x00, 0x00, 0xb0, 0x42, 0xe6, 0xe9, 0xff, 0xc9, 0x75,
            0xf8, 0x49, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe8, 0x06, 0x00, 0x00, 0x00, 0x31, 0xc0,
            0xe6, 0xf4, 0xeb, 0xfe, 0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x49, 0x89, 0xc1, 0x0f, 0x31,
            0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x4c, 0x29, 0xc8, 0x4c, 0x39, 0xc0, 0x72, 0xef, 0xc3,
        ]
        // mov al, 'a'; out 0xe9, al; jmp back to the out; where the start-up IPI points to.
        let second: [UInt8] = [0xb0, 0x61, 0xe6, 0xe9, 0xeb, 0xfc]
        return first + Array(repeating: 0, count: 0x1000 - first.count) + second
    }()

    @Test("an orderly end loses nothing of what was printed, however slow the reader is", .timeLimit(.minutes(2)))
    func slowReader() throws {
        let guest = try TemporaryFile(Self.printers)
        let command = Command("run", "--vcpus", "2", "--irqchip", "kernel", guest.path) { _ in
            Thread.sleep(forTimeInterval: 5)
        }
        let result = try command.run()
        #expect(result.status == 0)
        #expect(result.output.utf8.count { $0 == UInt8(ascii: "B") } == 5000)
    }

    @Test(
        "with a time limit a reader that stalls costs the output, not the end, nor the report", .timeLimit(.minutes(1)),
        arguments: [
            ("run hello --timeout 1s --report \"$1/r\" > \"$1/full\"", "timeout"),
            ("run fault --timeout 1s --report \"$1/r\" 2> \"$1/full\"", "shutdown"),
            ("run hello --timeout 1s --report \"$1/r\" --trace \"$1/full\"", "exited"),
            ("run hello --timeout 100ms --trace \"$1/unopened\"", nil),
            ("layout one --timeout 1s > \"$1/full\"", nil),
        ])
    func stalledReader(line: String, outcome: String?) throws {
        let directory = try TemporaryDirectory()
        // A pipe that somebody has open, that is full, and that nobody reads.
        let full =
            "mkfifo \"$1/full\" \"$1/unopened\"; exec 9<>\"$1/full\"; "
            + "dd if=/dev/zero of=\"$1/full\" bs=64k count=1 oflag=nonblock 2>/dev/null; "
        let start = Date()
        let result = try StartLiveTests.shell(full + "\"$0\" " + line, directory.path)
        #expect(result.status == (outcome == "shutdown" ? 70 : 124) || line.contains("--trace"), "\(result.errors)")
        #expect(Date().timeIntervalSince(start) < 20)
        guard let outcome else { return }
        let report = try String(contentsOfFile: directory.file("r"), encoding: .utf8)
        #expect(report.contains("\"outcome\":\"\(outcome)\"") && report.hasSuffix("}\n"))
        #expect(directory.names == ["full", "r", "unopened"])
    }

    @Test("a pipe that does not block is full, and not broken", .timeLimit(.minutes(1)))
    func nonBlockingPipe() throws {
        // mov cx, 0; mov al, 'x'; out 0xe9, al; loop back to the out 65536 times; twice; mov al, 0; out 0xf4, al
        let print: [UInt8] = [0xb9, 0x00, 0x00, 0xb0, 0x78, 0xe6, 0xe9, 0xe2, 0xfc]
        let guest = try TemporaryFile(print + print + [0xb0, 0x00, 0xe6, 0xf4])
        let script = """
            import os, subprocess, sys, time
            r, w = os.pipe()
            os.set_blocking(w, False)
            p = subprocess.Popen([sys.argv[1], "run", "--mode", "real", sys.argv[2]], stdout=w)
            os.close(w)
            time.sleep(2)
            print(len(open(r, "rb").read()), p.wait())
            """
        let result = try Command.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["python3", "-c", script, Command.executable.path, guest.path])
        #expect(result.output == "131072 0\n", "\(result.errors)")
    }

    @Test("output that cannot be written is an error", arguments: [["run"], ["guests"], ["layout", "--list"]])
    func fullDisk(arguments: [String]) throws {
        let process = Process()
        process.executableURL = Command.executable
        process.arguments = arguments
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 70)
    }

    @Test(
        "a file that cannot be written is refused before the guest runs, with its option and its name",
        arguments: ["--report", "--trace", "--map"])
    func badFile(option: String) throws {
        let result = try Command("run", option, "/nonexistent/file").run()
        #expect(result.status == 70)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("\(option) cannot be written") && result.errors.contains("/nonexistent/file"))
    }

    @Test("a BAR where no processor can address it is not mapped, and the guest goes on")
    func unreachableBAR() throws {
        let layout = try TemporaryFile(
            Array(
                #"""
                {"name": "b", "functions": [{"at": "00:00.0", "bars": [{"bar": 0, "kind": "memory64", "size": "4K"}]}]}
                """#.utf8))
        // mov dx, 0xcf8; mov eax, 0x80000014; out dx, eax; mov dx, 0xcfc; mov eax, 0x40000; out dx, eax: BAR 0 at 2^50.
        let guest = try TemporaryFile([
            0x66, 0xba, 0xf8, 0x0c, 0xb8, 0x14, 0x00, 0x00, 0x80, 0xef,
            0x66, 0xba, 0xfc, 0x0c, 0xb8, 0x00, 0x00, 0x04, 0x00, 0xef,
            0xb0, 0x00, 0xe6, 0xf4,
        ])
        let result = try Command("run", "--layout", layout.path, guest.path).run()
        #expect(result.status == 0, "\(result.errors)")
    }
}
