import Foundation
import LiveSupport
import Testing

@Suite("Signals that end a process", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct SignalLiveTests {
    private static let loop: [UInt8] = [0xeb, 0xfe]

    @Test("end a run with its report", arguments: ["HUP", "INT", "QUIT", "PIPE", "TERM"])
    func report(name: String) throws {
        let (guest, directory) = (try TemporaryFile(Self.loop), try TemporaryDirectory())
        let result = try Command("run", guest.path, "--report", directory.file("r")) { process in
            // The machine, which takes signals, was made before.
            process.waitForThread("vcpu0")
            send(name, to: process)
        }.run()
        #expect(result.status == 130 && result.errors.contains("interrupted by signal"), "\(result.errors)")
        let report = try String(contentsOfFile: directory.file("r"), encoding: .utf8)
        #expect(report.contains("\"outcome\":\"interrupted\"") && report.hasSuffix("}\n"))
    }

    @Test("leave a whole report or none, and nothing else, whenever they come", .timeLimit(.minutes(10)))
    func anyMoment() throws {
        let guest = try TemporaryFile(Self.loop)
        for number in 0..<(LiveKVM.longRun == nil ? 40 : 200) {
            let directory = try TemporaryDirectory()
            let command = Command(
                "run", guest.path, "--report", directory.file("r"), "--trace", directory.file("t"), "--timeout", "150ms"
            ) { process in
                // Before that the loader has it, or the guest.
                process.waitUntilSignalsAreHandled()
                Thread.sleep(forTimeInterval: Double(number % 40) * 0.005)
                send(["HUP", "INT", "QUIT", "PIPE", "TERM"][number % 5], to: process)
            }
            let result = try command.run()
            #expect([124, 130].contains(result.status), "\(number): \(result.status) \(result.errors)")
            #expect(directory.names.allSatisfy { ["r", "t"].contains($0) }, "\(number): \(directory.names)")
            let report = try? String(contentsOfFile: directory.file("r"), encoding: .utf8)
            #expect(report.map { $0.hasPrefix("{") && $0.hasSuffix("}\n") } ?? true)
        }
    }

    @Test("end every other command with the same status", arguments: [["stress", "churn"], ["stress", "fuzz"]])
    func otherCommands(arguments: [String]) throws {
        var command = Command { process in
            process.waitUntilSignalsAreTaken()
            send("QUIT", to: process)
        }
        command.arguments = arguments + ["--seconds", "30"]
        #expect(try command.run().status == 130)
    }

    @Test("that were ignored at the start stay ignored")
    func ignored() throws {
        let guest = try TemporaryFile(Self.loop)
        let line = "trap '' HUP; \"$0\" run \"$1\" --timeout 2s & sleep 1; kill -HUP $!; wait $!"
        #expect(try StartLiveTests.shell(line, guest.path).status == 124)
    }

    @Test("a reader that goes away ends a run as a signal does", .timeLimit(.minutes(1)))
    func brokenPipe() throws {
        // mov al, 'x'; out 0xe9, al; jmp back to the out.
        let (guest, directory) = (try TemporaryFile([0xb0, 0x78, 0xe6, 0xe9, 0xeb, 0xfc]), try TemporaryDirectory())
        let line =
            "{ \"$0\" run --mode real --timeout 30s --report \"$1/r\" \"$2\"; echo $? > \"$1/status\"; } | head -c 100"
        _ = try StartLiveTests.shell(line, directory.path, guest.path)
        #expect(try String(contentsOfFile: directory.file("status"), encoding: .utf8) == "130\n")
        #expect(try String(contentsOfFile: directory.file("r"), encoding: .utf8).hasSuffix("}\n"))
    }

    private func send(_ name: String, to process: Process) {
        _ = try? Process.run(
            URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", "kill -\(name) \(process.processIdentifier)"]
        ).waitUntilExit()
    }
}
