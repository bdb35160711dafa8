import Foundation
import LiveSupport
import Testing

/// `swiftlet run --lint`, with guests that break rules and with one that does not.
@Suite("swiftlet run --lint", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct LintRunLiveTests {
    @Test(
        "a clean guest gives no line",
        arguments: [
            ["--layout", "typical-16"], ["--layout", "typical-16", "--unassigned"], ["--layout", "full-bus"],
        ])
    func clean(arguments: [String]) throws {
        let lines = try TemporaryFile(Array("left over".utf8))
        var command = Command("run", "pci", "--lint", lines.path)
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == 0)
        #expect(try String(contentsOfFile: lines.path, encoding: .utf8) == "")
    }

    @Test("a guest that sizes with decode on, takes flags for address and misses a BAR gets a line for each")
    func broken() throws {
        func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        func out(_ port: UInt32, _ value: UInt32) -> [UInt8] {
            [0xb8] + little(value) + [0xba] + little(port) + [0xef]  // mov eax, value; mov edx, port; out dx, eax
        }
        func write(_ register: UInt32, _ value: UInt32) -> [UInt8] {
            out(0xcf8, 0x8000_0800 | register) + out(0xcfc, value)
        }
        // The test device is at 00:01.0, with memory and ports decoded: size BAR 0; read ports at its BAR 1 + 1 twice; decode off, and
        // read there; exit.
        let read: [UInt8] = [0xba] + little(0xc001) + [0xed]  // mov edx, 0xc001; in eax, dx
        let code = write(0x10, 0xffff_ffff) + read + read + write(0x04, 0) + read + [0x30, 0xc0, 0xe6, 0xf4]
        let file = try TemporaryFile(code)
        let result = try Command("run", file.path, "--mode", "protected", "--device", "pci-testdev", "--lint", "-")
            .run()
        #expect(result.status == 0)
        let lines = result.errors.split(separator: "\n").filter { $0.contains(" rip 0x10") }
        #expect(lines.allSatisfy { $0.hasPrefix("vcpu0 rip 0x10") && $0.contains(" 00:01.0 register 0x1") })
        let rules = ["sizingWithDecodeOn", "lowBitsOfBAR", "accessWithDecodeOff"]
        #expect(lines.count == rules.count)
        for (line, rule) in zip(lines, rules) { #expect(line.contains(": \(rule): ")) }
    }

    @Test("a machine without PCI has nothing to check")
    func usage() throws {
        let result = try Command("run", "hello", "--lint", "-").run()
        #expect(result.status == 64 && result.errors.contains("--lint"))
    }
}
