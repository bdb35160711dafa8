import Foundation
import ImageFixtures
import LiveSupport
import Testing

@testable import swiftlet

@Suite("swiftlet run", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RunLiveTests {
    @Test("without arguments it greets and succeeds")
    func greeting() throws {
        let result = try Command("run").run()
        #expect(result.status == 0)
        #expect(result.output.contains("Hello from 64-bit long mode"))
        #expect(result.errors.isEmpty)
    }

    @Test(
        "the guest's value at the exit port is the exit status", arguments: [(UInt8(0), Int32(0)), (7, 7), (255, 255)])
    func status(value: UInt8, status: Int32) throws {
        let guest = try TemporaryFile([0xb0, value, 0xe6, 0xf4])  // mov al, value; out 0xf4, al
        #expect(try Command("run", guest.path).run().status == status)
    }

    @Test("an initial RAM disk that is not there is called one")
    func missingDisk() throws {
        let kernel = try TemporaryFile(LinuxFile().bytes)
        let result = try Command("run", kernel.path, "--initrd", "/nonexistent/disk", "--force").run()
        #expect(result.status == 65 && result.errors.contains("initial RAM disk") && !result.errors.contains("module"))
    }

    @Test("- is read from standard input, and the console's input ends at once")
    func standardInput() throws {
        let seven = try TemporaryFile([0xb0, 7, 0xe6, 0xf4])
        for line in ["\"$0\" run - < \"$1\"", "cat \"$1\" | \"$0\" run - --vcpus 1"] {
            #expect(try StartLiveTests.shell(line, seven.path).status == 7)
        }
        // mov dx, 0x3fd; in al, dx; test al, 1; jz back to in; mov dx, 0x3f8; in al, dx; out 0xf4, al
        let reads: [UInt8] = [
            0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba, 0xf8, 0x03, 0xec, 0xe6, 0xf4,
        ]
        let guest = try TemporaryFile(reads)
        #expect(try StartLiveTests.shell("\"$0\" run - --timeout 20s < \"$1\"", guest.path).status == 4)
    }

    @Test("a triple fault ends with 70, and the registers go to standard error")
    func tripleFault() throws {
        let result = try Command("run", "fault").run()
        #expect(result.status == 70)
        #expect(result.errors.contains("triple fault"))
        #expect(result.errors.contains("rip"))
        // KVM on AMD processors resets the vCPU, so that its registers and its instruction are lost, and the report says so.
        #expect(result.errors.contains("0f 0b") || result.errors.contains("the state after a reset"))
        #expect(result.errors.contains("last device access: out port 0x3f8"))
    }

    @Test("a file of whatever that was run as a flat guest and failed is said to have been", arguments: [nil, "flat"])
    func flatByDefault(format: String?) throws {
        let guest = try TemporaryFile([0x0f, 0x0b])  // ud2, and nobody handles it
        var command = Command("run", guest.path)
        command.arguments += format.map { ["--format", $0] } ?? []
        let result = try command.run()
        #expect(result.status == 70)
        #expect(result.errors.contains("run in long mode at 0x10000") == (format == nil))
    }

    @Test(
        "a built-in guest with a function takes what is about functions", arguments: ["--decode=lazy", "--unassigned"])
    func builtInFunction(option: String) throws {
        #expect(try Command("run", "testdev", option, "--timeout", "20s").run().status != 64)
    }

    @Test("an endless loop ends with 124 when the time is over")
    func timeout() throws {
        let guest = try TemporaryFile([0xeb, 0xfe])
        let start = Date()
        let result = try Command("run", "--timeout", "200ms", guest.path).run()
        #expect(result.status == 124)
        #expect(Date().timeIntervalSince(start) < 5)
        #expect(result.errors.contains("eb fe"))
    }

    @Test("Ctrl-C ends with 130 and a report", arguments: ["none", "kernel"])
    func interrupt(irqchip: String) throws {
        // hlt; jmp back; without interrupt controllers, jmp to itself.
        let guest = try TemporaryFile(irqchip == "kernel" ? [0xf4, 0xeb, 0xfd] : [0xeb, 0xfe])
        let result = try Command("run", "--irqchip", irqchip, guest.path) { process in
            process.waitUntilSignalsAreTaken()
            process.interrupt()
        }.run()
        #expect(result.status == 130)
        #expect(result.errors.contains("rip"))
    }

    @Test("what is piped in comes back from the echo guest", arguments: ["echo", "echo-irq"])
    func echo(name: String) throws {
        let text = (0..<40).map { "line \($0)" }.joined(separator: "\n")
        let result = try Command("run", name, input: text).run()
        #expect(result.status == 0)
        #expect(result.output == text)
    }

    @Test("the report has the keys that scripts rely on")
    func report() throws {
        let result = try Command("run", "mmio", "--report", "-").run()
        #expect(result.status == 0)
        let json = try #require(JSONSerialization.jsonObject(with: Data(result.errors.utf8)) as? [String: Any])
        #expect(json["guest"] as? String == "mmio")
        #expect(json["outcome"] as? String == "exited")
        #expect(json["exitCode"] as? Int == 0)
        let exits = try #require(json["exits"] as? [String: Int])
        #expect(Set(exits.keys) == ["pio", "mmio", "hlt", "irqWindow", "other"])
        #expect(exits["mmio"].map { $0 > 0 } == true)
        let slots = try #require(json["slots"] as? [String: Int])
        #expect(slots["count"] == 3)
        #expect(slots["limit"].map { $0 >= 32 } == true)
        #expect((json["microsecondsToFirstRun"] as? Int).map { $0 > 0 } == true)
        #expect((json["wallSeconds"] as? Double).map { $0 > 0 } == true)
        #expect((json["peakRSSBytes"] as? Int).map { $0 > 0 } == true)
        let ram = try #require(json["ram"] as? [String: Any])
        #expect(ram["kind"] as? String == "anonymous")
        #expect(ram["residentBytes"] is Int && ram["hugePageBytes"] is Int)
        let report = try JSONDecoder().decode(RunReportJSON.self, from: Data(result.errors.utf8))
        let again = try JSONDecoder().decode(RunReportJSON.self, from: Data(try encodeJSON(report)))
        #expect(again == report && report.schema == 1)
    }

    @Test("a trace has a line for each exit, with what was moved")
    func trace() throws {
        let guest = try TemporaryFile([0xb0, 0x41, 0xe6, 0xe9, 0xb0, 0, 0xe6, 0xf4])
        let trace = try TemporaryFile([])
        #expect(try Command("run", "--trace", trace.path, guest.path).run().status == 0)
        let lines = try String(contentsOfFile: trace.path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[0].contains("vcpu0 out port 0xe9, 1 byte <- 0x41"))
    }

    @Test("an ELF file for another machine, a truncated one, and one that lies about its size end with 65")
    func badELF() throws {
        let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
        for bytes in [magic, magic + [2, 1, 1], magic + [UInt8](repeating: 0xff, count: 200)] {
            let file = try TemporaryFile(bytes)
            let result = try Command("run", file.path).run()
            #expect(result.status == 65)
            #expect(result.errors.contains(file.path))
        }
    }

    @Test("an image larger than the memory ends with 65 and says what to do")
    func largeImage() throws {
        let file = try TemporaryFile([UInt8](repeating: 0x90, count: 1 << 20))
        let result = try Command("run", "--memory", "512K", file.path).run()
        #expect(result.status == 65)
        #expect(result.errors.contains("--memory"))
    }

    @Test(
        "memory that no machine has ends with an error, not a crash",
        arguments: ["0", "1", "4097", "300T", "16000000T"])
    func impossibleMemory(size: String) throws {
        let result = try Command("run", "--memory", size).run()
        #expect([64, 65, 70].contains(result.status))
        #expect(result.errors.split(separator: "\n").count >= 1)
    }

    @Test("probe tells what this KVM is")
    func probe() throws {
        let result = try Command("probe", "--json").run()
        #expect(result.status == 0)
        let json = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(json["apiVersion"] as? Int == 12)
        #expect(["hardware", "emulated"].contains(json["execution"] as? String))
    }
}
