import Foundation
import LiveSupport
import Testing

/// Debian's gdb, at a guest that is compiled here.
@Suite("gdb", .enabled(if: LiveKVM.runsLiveTests && Debugger.isThere, "needs a usable /dev/kvm, gdb, clang and lld"))
struct DebuggerLiveTests {
    private static let guest = """
        static int counter; static volatile int wait;
        static int square(int n) {
            counter++;                  // line 3
            return n * n;
        }
        void fault(void) { __asm__ volatile("ud2"); } static void poll(void) {}
        void _start(void) {
            int sum = 0;
            for (int i = 1; i < 4; i++)
                sum += square(i);       // line 10
            while (wait) poll();
            if (counter == 100)
                fault();
            __asm__ volatile("outb %0, $0xf4" : : "a"((char)(sum + counter)));
        }
        """

    @Test(
        "a breakpoint by symbol, steps, variables, the way back and the exit status; with one and two vCPUs",
        arguments: [1, 2])
    func session(vcpus: Int) throws {
        let run = try Debugger.session(
            Self.guest, vcpus: vcpus,
            [
                "info threads", "break square", "continue", "backtrace", "print n", "stepi", "next", "print counter",
                "delete",
                "break 10", "continue", "print sum", "monitor slots", "monitor map", "monitor pci", "monitor nothing",
                "delete",
                "continue",
            ])
        for text in [
            "Thread 1 (vCPU 0", "Breakpoint 1, square (n=1)", "#1 ", "in _start ()", "$1 = 1", "$2 = 1", "$3 = 1",
            "slot  guest range",
            "read-write  RAM", "There are no PCI functions", "There is no command nothing", "exited with code 021",
        ] { #expect(run.gdb.contains(text), "\(text) in \(run.gdb)") }
        #expect(run.gdb.contains("vCPU 1, not started") == (vcpus == 2))
        #expect(run.guest.status == 17)
    }

    @Test("a fault stops in gdb, and ends the run afterwards")
    func fault() throws {
        let run = try Debugger.session(
            Self.guest,
            [
                "break square", "continue", "set var counter = 97", "delete", "continue", "info registers rip",
                "continue",
            ])
        #expect(run.gdb.contains("SIGSEGV") || run.gdb.contains("SIGILL"), "\(run.gdb)")
        #expect(run.guest.status == 70)
    }

    @Test("more breakpoints than debug registers, detaching and attaching again, and killing")
    func manyBreakpoints() throws {
        let breakpoints = [3, 4, 8, 9, 10, 11, 13].map { "break \($0)" }
        let first =
            breakpoints + [
                "continue", "continue", "continue", "continue", "continue", "print n", "set var wait = 1", "detach",
            ]
        let again = [
            "target remote $SOCKET", "delete", "tbreak poll", "continue", "print counter", "up", "print sum",
            "set var wait = 0", "continue",
        ]
        let run = try Debugger.session(Self.guest, first + again)
        for text in ["$1 = 1", "detached", "$2 = 3", "$3 = 14", "exited with code 021"] {
            #expect(run.gdb.contains(text), "\(text) in \(run.gdb)")
        }
        #expect(run.guest.status == 17)
        let killed = try Debugger.session(Self.guest, ["kill"])
        #expect(killed.guest.status == 130 && killed.guest.errors.contains("the run was stopped"))
    }

    @Test("a crash names the exception, the function and the way there, on standard error and in the report")
    func crash() throws {
        let crashing = Self.guest.replacingOccurrences(of: "counter == 100", with: "counter == 3")
        let run = try Debugger.run(crashing, "--report", "-")
        #expect(run.status == 70)
        // KVM on AMD resets a vCPU that has met a triple fault.
        if run.errors.contains("this is the state after a reset") { return }
        for text in ["<fault+0x", "#UD, invalid opcode", "<_start+0x", #""symbol":"fault+0x"#, "stack, from its top"] {
            #expect(
                run.errors.replacingOccurrences(of: "\" : \"", with: "\":\"").contains(text), "\(text) in \(run.errors)"
            )
        }
    }

    @Test("--gdb-wait without --gdb, and an address that is none, are wrong usage")
    func usage() throws {
        #expect(try Command("run", "hello", "--gdb-wait").run().status == 64)
        for address in ["unix:", "1234", ":0", ":65536", "[::1:7"] {
            #expect(try Command("run", "hello", "--gdb", address).run().status == 64, "\(address)")
        }
        let taken = try Command("run", "hello", "--gdb", "unix:/etc/passwd").run()
        #expect(taken.status == 70 && taken.errors.contains("/etc/passwd"))
    }
}

/// A session of gdb in batch mode.
private enum Debugger {
    /// Whether there are the tools for it. Where live tests must run, they must be there.
    static let isThere = LiveKVM.isRequired || FileManager.default.isExecutableFile(atPath: "/usr/bin/gdb")

    private static let options = [
        "-g", "-O0", "-nostdlib", "-static", "-fno-pie", "-fno-stack-protector", "-mgeneral-regs-only", "-fuse-ld=lld",
        "-fno-asynchronous-unwind-tables", "-Wl,--image-base=0x100000,--build-id=none",
    ]

    /// Runs a guest that waits for gdb, and gdb with these commands.
    static func session(
        _ source: String, vcpus: Int = 1, _ commands: [String]
    ) throws -> (guest: Command.Result, gdb: String) {
        let directory = try compiled(source)
        defer { try? FileManager.default.removeItem(at: directory) }
        @Sendable func path(_ name: String) -> String { directory.appending(path: name).path }
        let script =
            ["file \(path("guest"))", "target remote \(path("socket"))"]
            + commands.map {
                $0.replacingOccurrences(of: "$SOCKET", with: path("socket"))
            }
        let printed = Box()
        let command = Command(
            "run", path("guest"), "--vcpus", "\(vcpus)", "--gdb", "unix:\(path("socket"))", "--gdb-wait", "--timeout",
            "60s"
        ) { _ in
            for _ in 0..<1000 where !FileManager.default.fileExists(atPath: path("socket")) {
                Thread.sleep(forTimeInterval: 0.02)
            }
            printed.text =
                (try? output("gdb", ["-q", "-nx", "-batch"] + script.flatMap { ["-ex", $0] })) ?? "gdb did not run"
        }
        return (try command.run(), printed.text)
    }

    private final class Box: @unchecked Sendable { var text = "" }

    /// Runs a guest without gdb.
    static func run(_ source: String, _ options: String...) throws -> Command.Result {
        let directory = try compiled(source)
        defer { try? FileManager.default.removeItem(at: directory) }
        var command = Command("run", directory.appending(path: "guest").path)
        command.arguments += options
        return try command.run()
    }

    /// A new directory with the guest of this source in it.
    private static func compiled(_ source: String) throws -> URL {
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-gdb-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let (file, guest) = (directory.appending(path: "guest.c"), directory.appending(path: "guest"))
        try Data(source.utf8).write(to: file)
        let messages = try output("clang", options + ["-o", guest.path, file.path])
        #expect(FileManager.default.fileExists(atPath: guest.path), "\(messages)")
        return directory
    }

    /// What a program prints, both outputs.
    private static func output(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["timeout", "100", program] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
