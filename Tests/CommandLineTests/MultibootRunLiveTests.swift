import Foundation
import LiveSupport
import Testing

@Suite("swiftlet run, guests from elsewhere", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct MultibootRunLiveTests {
    /// A flat multiboot kernel at 1 MiB with this code.
    private static func kernel(_ code: [UInt8], flags: UInt32 = 1 << 16, checksum: UInt32? = nil) -> [UInt8] {
        let numbers: [UInt32] = [
            0x1bad_b002, flags, checksum ?? 0 &- 0x1bad_b002 &- flags, 0x10_0000, 0x10_0000, 0, 0, 0x10_0020,
        ]
        return numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } } + code
    }

    /// Runs a guest from a file that lasts as long as the run.
    private func run(_ bytes: [UInt8], _ arguments: String...) throws -> Command.Result {
        try run(bytes, arguments)
    }

    private func run(_ bytes: [UInt8], _ arguments: [String]) throws -> Command.Result {
        let file = try TemporaryFile(bytes)
        defer { withExtendedLifetime(file) {} }
        var command = Command("run", file.path)
        command.arguments += arguments
        return try command.run()
    }

    private static let exit5: [UInt8] = [0xb0, 5, 0xe6, 0xf4]  // mov al, 5; out 0xf4, al

    @Test("the command line is the guest's name and the arguments, a module's string its file's and its own")
    func arguments() throws {
        let module = try TemporaryFile(Array("NR_CPUS=2\n".utf8))
        let result = try Command(
            "run", "multiboot", "--append", "a=b  c", "--module", "\(module.path)=x y=z", "--module", module.path,
            "--vcpus", "3"
        ).run()
        #expect(result.status == 0)
        #expect(result.output.contains("command line multiboot a=b  c\n"))
        #expect(result.output.contains(" \(module.path) x y=z\n"))
        #expect(result.output.contains(" \(module.path)\n"))
        #expect(result.output.contains("processors 0x00000003 0x00000007\n"))
    }

    @Test("a kernel is known by its header, and --format overrides")
    func formats() throws {
        let kernel = try TemporaryFile(Self.kernel(Self.exit5))
        #expect(try Command("run", kernel.path).run().status == 5)
        #expect(try Command("run", kernel.path, "--format", "multiboot", "--irqchip", "none").run().status == 5)
        let elf = try Command("run", kernel.path, "--format", "elf").run()
        #expect(elf.status == 65 && elf.errors.contains("no ELF magic number"))
        let flat = try TemporaryFile(Self.exit5)
        #expect(try Command("run", flat.path, "--format", "flat").run().status == 5)
        let none = try Command("run", flat.path, "--format", "multiboot").run()
        #expect(none.status == 65 && none.errors.contains("no magic number 0x1badb002"))
    }

    @Test("the first page can be written to")
    func firstPage() throws {
        // mov byte [0], 5; mov al, [0]; out 0xf4, al
        let code: [UInt8] = [0xc6, 0x05, 0, 0, 0, 0, 5, 0xa0, 0, 0, 0, 0, 0xe6, 0xf4]
        #expect(try run(Self.kernel(code)).status == 5)
    }

    @Test(
        "the exit port takes 1, 2 and 4 bytes",
        arguments: [[0xe6, 0xf4], [0x66, 0xe7, 0xf4], [0xe7, 0xf4]] as [[UInt8]])
    func exitWidths(out: [UInt8]) throws {
        #expect(try run(Self.kernel([0xb8, 3, 0, 0, 0] + out)).status == 3)  // mov eax, 3; out 0xf4, ...
    }

    @Test("a malformed kernel ends with 65 and the name of the field")
    func malformed() throws {
        for (bytes, words) in [
            (Self.kernel(Self.exit5, checksum: 1), "checksum"), (Self.kernel(Self.exit5, flags: 0x10004), "flags"),
            (Self.kernel(Self.exit5, flags: 0), "flags bit 16"), (Array(Self.kernel([]).prefix(20)), "was cut"),
            (Self.kernel([]), "entry_addr"),
        ] {
            let result = try run(bytes)
            #expect(result.status == 65)
            #expect(result.errors.contains(words))
        }
        let small = try run(Self.kernel(Self.exit5), "--memory", "1M")
        #expect(small.status == 65 && small.errors.contains("give it more memory"))
    }

    @Test("options that the guest cannot heed are wrong usage")
    func usage() throws {
        let (kernel, flat) = (Self.kernel(Self.exit5), Self.exit5)
        for (bytes, arguments) in [
            (flat, ["--append", "x"]), (flat, ["--module", "/dev/null"]), (flat, ["--pit", "--irqchip", "none"]),
            (kernel, ["--load-address", "0x1000"]), (kernel, ["--mode", "long"]), (kernel, ["--device", "no-such"]),
            (kernel, ["--format", "no-such"]), (kernel, ["--module", "=x"]),
            (kernel, (0..<32).flatMap { _ in ["--device", "pci-testdev"] }),
        ] {
            let result = try run(bytes, arguments)
            #expect(result.status == 64, "\(arguments)")
            #expect(!result.errors.isEmpty)
        }
        #expect(try Command("run", "hello", "--format", "flat").run().status == 64)
        #expect(try Command("run", "hello", "--append", "x").run().status == 64)
        let missing = try run(kernel, "--module", "/nonexistent/file")
        #expect(missing.status == 65 && missing.errors.contains("/nonexistent/file"))
    }

    @Test("a guest with the timer reads it")
    func timer() throws {
        // in al, 0x61; and al, 0xcf; out 0xf4, al: without the timer all ones. Bits 4 and 5 of port 0x61 count.
        let kernel = Self.kernel([0xe4, 0x61, 0x24, 0xcf, 0xe6, 0xf4])
        #expect(try run(kernel).status == 0xcf)
        #expect(try run(kernel, "--pit").status != 0xcf)
    }

    @Test("the trace names each unclaimed access once")
    func unclaimed() throws {
        // mov ecx, 3; mov dx, 0x1234; in eax, dx; loop; mov ecx, [0xd0000000] twice; exit
        let code: [UInt8] =
            [0xb9, 3, 0, 0, 0, 0x66, 0xba, 0x34, 0x12, 0xed, 0xe2, 0xfd]
            + [0x8b, 0x0d, 0, 0, 0, 0xd0, 0x8b, 0x0d, 0, 0, 0, 0xd0] + Self.exit5
        let trace = try TemporaryFile([])
        let result = try run(Self.kernel(code), "--trace", trace.path)
        #expect(result.status == 5)
        let lines = try String(contentsOfFile: trace.path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count { $0.contains("in port 0x1234, 4 bytes -> 0xffffffff") } == 3)
        #expect(
            lines.filter { $0.contains("unclaimed") }.map {
                // Behind the time and the vCPU, and before the instruction pointer.
                $0.split(separator: " ").dropFirst(3).dropLast(2).joined(separator: " ")
            }
                == ["unclaimed port 0x1234, read of 4 bytes,", "unclaimed memory 0xd0000000, read of 4 bytes,"])
    }

    @Test("the PCI test device takes the first free place, beside a layout's functions")
    func device() throws {
        #expect(try Command("run", "testdev").run().status == 0)
        #expect(try Command("run", "testdev", "--layout", "one", "--device", "pci-testdev").run().status == 0)
        #expect(try Command("run", "testdev", "--layout", "one").run().status == 5)
    }
}
