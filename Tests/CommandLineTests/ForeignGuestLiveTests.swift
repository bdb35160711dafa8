import Foundation
import ImageFixtures
import LiveSupport
import Testing

/// What `swiftlet run` says of files from elsewhere.
@Suite("swiftlet run, files of all kinds", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ForeignGuestLiveTests {
    private func run(_ bytes: [UInt8], _ arguments: String...) throws -> Command.Result {
        let file = try TemporaryFile(bytes)
        defer { withExtendedLifetime(file) {} }
        var command = Command("run", file.path)
        command.arguments += arguments
        return try command.run()
    }

    private static let exit3: [UInt8] = [0xb0, 3, 0xe6, 0xf4]  // mov al, 3; out 0xf4, al

    @Test("the status is the guest's code, or what a host of kvm-unit-tests sees")
    func status() throws {
        #expect(try run(Self.exit3, "--status-of", "kvm-unit-tests").status == 7)
        #expect(try run(Self.exit3, "--status-of", "swiftlet").status == 3)
        #expect(try Command("run", "hello", "--status-of", "kvm-unit-tests").run().status == 1)
        #expect(try run(Self.exit3, "--status-of", "qemu").status == 64)
    }

    @Test("a reset ends the run with 0, and is told")
    func reset() throws {
        // mov al, 0xfe; out 0x64, al; jmp to itself
        let result = try run([0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe], "--timeout", "20s", "--report", "-")
        #expect(result.status == 0)
        #expect(result.errors.contains("the guest reset the machine\n"))
        #expect(result.errors.contains(#""outcome":"reset""#))
    }

    @Test("what lies in the text screen is shown if the guest printed nowhere else", arguments: [false, true])
    func textScreen(prints: Bool) throws {
        // mov word [0xb8000], 0x0748; mov word [0xb8002], 0x0769; then out 0xe9, al or nop; exit
        let code: [UInt8] =
            [0x66, 0xc7, 0x04, 0x25, 0, 0x80, 0x0b, 0, 0x48, 7, 0x66, 0xc7, 0x04, 0x25, 2, 0x80, 0x0b, 0, 0x69, 7]
            + (prints ? [0xb0, 0x41, 0xe6, 0xe9] : []) + Self.exit3
        let result = try run(code)
        #expect(result.status == 3)
        #expect(result.output == (prints ? "A" : "Hi\n"))
        #expect(result.errors.contains("0xb8000") != prints)
    }

    @Test("a flat file that halts without a word may be linked for another place")
    func silence() throws {
        let result = try run([0xf4])
        #expect(result.status == 0)
        #expect(result.errors.contains("--load-address") && result.errors.contains("--mode"))
        #expect(try run([0xf4], "--load-address", "0x20000").errors.isEmpty)
        #expect(try run([0xf4], "--format", "flat").errors.isEmpty)
        #expect(try run([0xb0, 0x41, 0xe6, 0xe9, 0xf4]).errors.isEmpty)
        // mov word [0xb8000], 0x0748; hlt
        let screen = try run([0x66, 0xc7, 0x04, 0x25, 0, 0x80, 0x0b, 0, 0x48, 7, 0xf4])
        #expect(screen.output == "H\n" && !screen.errors.contains("--load-address"))
    }

    @Test("a file of a known kind is refused by name, and --format overrides")
    func foreign() throws {
        var sector = [UInt8](repeating: 0xf4, count: 512)
        (sector[510], sector[511]) = (0x55, 0xaa)
        let refused = try run(sector)
        #expect(refused.status == 65)
        #expect(refused.errors.contains("boot sector") && refused.errors.contains("--format flat --mode real"))
        #expect(try run(sector, "--format", "flat", "--mode", "real", "--load-address", "0x7c00").status == 0)
        let compressed = try run([0x1f, 0x8b, 8, 0])
        #expect(compressed.status == 65 && compressed.errors.contains("gzip"))
    }

    @Test("a Linux kernel is started where the processor runs guests, or if --force says so")
    func linux() throws {
        // mov dx, 0x600; mov al, 0x34; out dx, al: off
        let kernel = LinuxFile(code: [0x66, 0xba, 0, 6, 0xb0, 0x34, 0xee]).bytes
        let forced = try run(kernel, "--force", "--report", "-")
        #expect(forced.status == 0 && forced.errors.contains("the guest switched the machine off\n"))
        #expect(forced.errors.contains(#""outcome":"poweredOff""#))
        let result = try run(kernel)
        #expect(result.status == 0 || result.status == 69 && result.errors.contains("--force"))
        #expect(try run(kernel, "--force", "--append", String(repeating: "a", count: 256)).status == 65)
        #expect(try run(kernel, "--force", "--registers", "ax=1").status == 64)
        #expect(try run(Self.exit3, "--initrd", "/dev/null").status == 64)
        #expect(try Command("run", "multiboot", "--initrd", "/dev/null").run().status == 64)
        #expect(try Command("layout", "one", "--initrd", "/dev/null").run().status == 64)
        let old = try run(Array(kernel.prefix(0x300)))
        #expect(old.status == 65 && old.errors.contains("syssize"))
    }

    @Test("registers of a flat file can be set")
    func registers() throws {
        // add eax, ebx; out 0xf4, al
        let code: [UInt8] = [0x01, 0xd8, 0xe6, 0xf4]
        #expect(try run(code, "--registers", "ax=2,rbx=0x10").status == 0x12)
        for bad in ["ax", "ax=", "xx=1", "ax=1,,bx=2", ""] {
            #expect(try run(code, "--registers", bad).status == 64, "\(bad)")
        }
        #expect(try Command("run", "hello", "--registers", "ax=1").run().status == 64)
        #expect(try Command("run", "multiboot", "--registers", "ax=1").run().status == 64)
    }

    @Test("features of the processor can be added and taken away")
    func features() throws {
        // mov eax, 1; cpuid; shr ecx, 17; mov al, cl; and al, 0x11; out 0xf4, al: PCID and x2APIC.
        let code: [UInt8] = [0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xc1, 0xe9, 17, 0x88, 0xc8, 0x24, 0x11, 0xe6, 0xf4]
        #expect(try run(code, "--irqchip", "kernel", "--cpu=-x2apic,+pcid").status == 1)
        #expect(try run(code, "--irqchip", "kernel", "--cpu=+x2apic,-pcid").status == 0x10)
        for bad in ["x2apic", "+", "+nothing", "-pcid,"] {
            #expect(try run(code, "--cpu=\(bad)").status == 64, "\(bad)")
        }
    }

    @Test("a segment where there is no memory is told by name")
    func segmentOutside() throws {
        func little(_ value: some BinaryInteger, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
        }
        // An ELF file for i386 with a segment at 0x8048114.
        let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1] + [UInt8](repeating: 0, count: 9)
        let header = little(2, 2) + little(3, 2) + [1, 0x804_8114, 52, 0, 0].flatMap { little($0, 4) }
        let program = [1, 84, 0x804_8114, 0x804_8114, 4, 4, 7, 4].flatMap { little($0, 4) }
        let counts = [52, 32, 1, 40, 0, 0].flatMap { little($0, 2) }
        let result = try run(magic + header + counts + program + Self.exit3)
        #expect(result.status == 65)
        #expect(result.errors.contains("segment 0 needs memory at 0x8048114-0x8048117"))
        #expect(result.errors.contains("--memory"))
    }
}
