import Foundation
import Host
import Images
import LiveSupport
import Machine
import Memslots
import Testing

@Suite("Guests", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct GuestLiveTests {
    @Test("the built-in guests that check themselves succeed", arguments: ["memory", "mmio", "smp"])
    func builtIn(name: String) throws {
        let (report, _) = try run(builtIn: name)
        #expect(report.outcome == .exited(0))
    }

    @Test(
        "an instruction of SSE while SSE is off is told so",
        arguments: [
            ([0x0f, 0x28, 0xc1], true), ([0xf3, 0x0f, 0x6f, 0xc1], true), ([0x66, 0x0f, 0xef, 0xc0], true),
            ([0x0f, 0x0b], false),
        ] as [([UInt8], Bool)])
    func sse(code: [UInt8], isSSE: Bool) throws {
        let report = try TinyGuest(code: code, configuration: MachineConfiguration(mode: .protected)).run().report
        let state = try #require(report.vcpus.first)
        #expect(state.isReset || state.text().contains("SSE is off (CR4.OSFXSR)") == isSSE, "\(state)")
    }

    @Test(
        "every mode greets", arguments: [("hello", "64-bit"), ("hello-protected", "32-bit"), ("hello-real", "16-bit")])
    func greetings(name: String, words: String) throws {
        let (report, output) = try run(builtIn: name)
        #expect(report.outcome == .exited(0))
        #expect(output.contains("Hello from \(words)"))
    }

    @Test("every vCPU says its number")
    func smp() throws {
        let (_, output) = try run(builtIn: "smp")
        for id in 0..<4 {
            #expect(output.contains("vCPU \(id) is here\n"))
        }
    }

    @Test("a triple fault ends the run with registers, instruction bytes and the last access")
    func tripleFault() throws {
        let (report, _) = try run(builtIn: "fault")
        #expect(report.outcome == .shutdown)
        let state = try #require(report.vcpus.first)
        #expect("\(state)".contains("port 0x3f8"))
        #expect("\(state)".contains("rip"))
    }

    @Test("the value written to the exit port is the outcome", arguments: [UInt8(0), 7, 255])
    func exitPort(status: UInt8) throws {
        #expect(try TinyGuest(code: TinyGuest.exit(status)).run().report.outcome == .exited(UInt32(status)))
    }

    @Test("HLT without an interrupt controller ends the run")
    func halt() throws {
        let report = try TinyGuest(code: [0xf4]).run().report  // hlt
        #expect(report.outcome == .halted)
        #expect(report.exits.hlt == 1)
    }

    @Test("an endless loop ends when the time is over, also with interrupts to wait for", arguments: [false, true])
    func timeout(sleeps: Bool) throws {
        var guest = TinyGuest(code: sleeps ? [0xf4, 0xeb, 0xfd] : TinyGuest.spin)  // hlt; jmp back to it
        guest.configuration.interruptController = sleeps ? .kernel : .none
        let start = SuspendingClock.now
        let report = try guest.machine().run(timeout: .milliseconds(50))
        #expect(report.outcome == .timeout)
        #expect(report.vcpus.count == 1)
        #expect(SuspendingClock.now - start < .seconds(5))
    }

    @Test("rep outsb moves each byte once and in order")
    func stringOutput() throws {
        // mov si, text; mov cx, 5; mov dx, 0xe9; rep outsb; exit; text: "hello"
        let code: [UInt8] =
            [0xbe, 15, 0, 0xb9, 5, 0, 0xba, 0xe9, 0, 0xf3, 0x6e] + TinyGuest.exit(0) + Array("hello".utf8)
        let (report, output) = try TinyGuest(code: code).run()
        #expect(report.outcome == .exited(0))
        #expect(output == Array("hello".utf8))
    }

    @Test("rep insb fills memory with what the device gives")
    func stringInput() throws {
        // mov di, 0x100; mov cx, 3; mov dx, 0xe9; rep insb; mov al, [0x102]; out 0xf4, al
        let code: [UInt8] = [
            0xbf, 0x00, 0x01, 0xb9, 3, 0, 0xba, 0xe9, 0, 0xf3, 0x6c, 0xa0, 0x02, 0x01, 0xe6, 0xf4,
        ]
        #expect(try TinyGuest(code: code).run().report.outcome == .exited(0xe9))
    }

    @Test("a port where nobody is reads all ones of its width, and is counted")
    func unclaimedPort() throws {
        // xor eax, eax; in ax, 0x80; out 0xf4, eax
        let code: [UInt8] = [0x66, 0x31, 0xc0, 0xe5, 0x80, 0x66, 0xe7, 0xf4]
        let report = try TinyGuest(code: code).run().report
        #expect(report.outcome == .exited(0xffff))
        #expect(report.unclaimedAccesses == 1)
    }

    @Test(
        "memory where nobody is reads all ones of 1, 2, 4 and 8 bytes",
        arguments: [
            // movzx rax, byte [rbx]; movzx rax, word [rbx]; mov eax, [rbx]; mov rax, [rbx]
            ([0x48, 0x0f, 0xb6, 0x03], 0xff), ([0x48, 0x0f, 0xb7, 0x03], 0xffff), ([0x8b, 0x03], 0xffff_ffff),
            ([0x48, 0x8b, 0x03], .max),
        ] as [([UInt8], UInt64)])
    func unclaimedMemory(load: [UInt8], value: UInt64) throws {
        // mov ebx, 0xd0000000; load; mov [0x8000], rax; exit
        let code = [0xbb, 0, 0, 0, 0xd0] + load + [0x48, 0x89, 0x04, 0x25, 0x00, 0x80, 0, 0] + TinyGuest.exit(0)
        let machine = try TinyGuest(code: code, configuration: MachineConfiguration()).machine()
        let report = try machine.run(timeout: .seconds(10))
        #expect(report.outcome == .exited(0))
        #expect(report.exits.mmio == 1)
        let bytes = try #require(machine.read(count: 8, at: GuestAddress(0x8000)))
        #expect(bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } == value)
    }

    @Test("input reaches the guest through the serial port, and its end as EOT", arguments: ["echo", "echo-irq"])
    func echo(name: String) throws {
        let path = "/proc/self/status"
        let file = try readFile(path)
        let guest = try #require(BuiltInGuest.named(name))
        let output = TinyGuest.Output()
        let machine = try GuestMachine(
            guest.configuration,
            image: .flat(byteCount: guest.image.count, at: MachineConfiguration.defaultLoadAddress),
            bytes: guest.image, consoleOutput: output.append)
        let report = try machine.run(timeout: .seconds(20), input: try FileBytes.open(path))
        #expect(report.outcome == .exited(0))
        // Figures change between two reads, names do not.
        #expect(output.bytes.count > file.count / 2)
        #expect(output.bytes.prefix(6) == file.prefix(6))
    }

    @Test("no input is lost", arguments: ["echo", "echo-irq"])
    func longInput(name: String) throws {
        let path = "/tmp/swiftlet-input-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let input = (0..<3000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
        let file = try FileBytes.create(path)
        FileBytes.write(input, to: file)
        let guest = try #require(BuiltInGuest.named(name))
        for _ in 0..<5 {
            let (report, output) = try TinyGuest(code: guest.image, configuration: guest.configuration)
                .run(input: try FileBytes.open(path), timeout: .seconds(60))
            #expect(report.outcome == .exited(0))
            #expect(output == input)
        }
    }

    private func run(builtIn name: String) throws -> (report: RunReport, output: String) {
        let guest = try #require(BuiltInGuest.named(name))
        let result = try TinyGuest(code: guest.image, configuration: guest.configuration).run()
        return (result.report, String(decoding: result.output, as: UTF8.self))
    }
}
