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
        #expect(process.terminationReason == .uncaughtSignal || process.terminationStatus == 124)
        withExtendedLifetime(full) {}
    }

    @Test("a run that is ended does not wait for the reader of its trace", .timeLimit(.minutes(1)))
    func unreadTrace() throws {
        let guest = try TemporaryFile(Self.busy)
        let process = Process()
        process.executableURL = Command.executable
        process.arguments = ["run", "--mode", "real", "--timeout", "300ms", "--trace", "/dev/stdout", guest.path]
        let full = Pipe()
        process.standardOutput = full
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 124)
        withExtendedLifetime(full) {}
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
