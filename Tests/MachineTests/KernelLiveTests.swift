import ImageFixtures
import Images
import KVM
import LiveSupport
import Memslots
import PropertySupport
import Testing

@testable import Machine

/// Kernels of a few bytes that are started as Linux is, and as PVH kernels are.
@Suite("Linux and PVH kernels", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct KernelLiveTests {
    private func run(
        _ bytes: [UInt8], vcpus: Int = 1, _ change: (inout MachineConfiguration) -> Void = { _ in }
    ) throws -> (report: RunReport, output: [UInt8]) {
        var configuration = MachineConfiguration(memory: 64 << 20, vcpus: vcpus, interruptController: .kernel)
        configuration.boot = BootArguments(
            commandLine: "one two", modules: [BootArguments.Module(string: "", bytes: Array("module".utf8))])
        change(&configuration)
        let image = try Image.load(bytes, flatLoadAddress: MachineConfiguration.defaultLoadAddress)
        let output = TinyGuest.Output()
        let machine = try GuestMachine(configuration, image: image, bytes: bytes, consoleOutput: output.append)
        return (try machine.run(timeout: .seconds(20)), output.bytes)
    }

    /// mov dx, 0x600; mov al, 0x34; out dx, al; hlt: sleep of type 5.
    private static let off: [UInt8] = [0x66, 0xba, 0, 6, 0xb0, 0x34, 0xee, 0xf4]
    /// out 0xe9, al
    private static let put: [UInt8] = [0xe6, 0xe9]

    /// Prints the string rbx, which ends in a zero byte: mov al, [rbx]; test al, al; jz to the end; out; inc rbx; jmp to the beginning.
    private static let printString: [UInt8] =
        [0x8a, 0x03, 0x84, 0xc0, 0x74, 7] + put + [0x48, 0xff, 0xc3, 0xeb, 0xf3]

    /// Prints the command line, the first byte of the disk, that of the RSDP, and the selector of the code.
    private static let linux =
        LinuxFile(
            code: [0x8b, 0x86, 0x28, 2, 0, 0, 0x48, 0x89, 0xc3] + printString
                + [0x8b, 0x86, 0x18, 2, 0, 0, 0x8a, 0] + put + [0x48, 0x8b, 0x46, 0x70, 0x8a, 0] + put + [0x8c, 0xc8]
                + put + off
        ).bytes

    @Test("Linux finds its command line, its disk and the tables, and switches the machine off", arguments: [1, 3])
    func linux(vcpus: Int) throws {
        let (report, output) = try run(Self.linux, vcpus: vcpus)
        #expect(report.outcome == .poweredOff && report.outcome.exitCode == 0 && report.outcome.isOrderly)
        #expect(output == Array("one twomR".utf8) + [0x10])
        let full = try run(Self.linux) { $0.acpi = .full }
        #expect(full.report.outcome == .poweredOff && full.output == output)
    }

    @Test("PVH kernels find the same")
    func pvh() throws {
        // The same as above in 32-bit code, with ebx for the start information.
        let print: [UInt8] = [0x8a, 0x01, 0x84, 0xc0, 0x74, 5] + Self.put + [0x41, 0xeb, 0xf5]
        let code: [UInt8] =
            [0x8b, 0x43, 24, 0x89, 0xc1] + print + [0x8b, 0x43, 16, 0x8b, 0, 0x8a, 0] + Self.put
            + [0x8b, 0x43, 32, 0x8a, 0] + Self.put + [0x8c, 0xc8] + Self.put + Self.off
        let (report, output) = try run(Self.pvhFile(code))
        #expect(report.outcome == .poweredOff)
        #expect(output == Array("one twomR".utf8) + [8])
    }

    /// An ELF file for i386 with code at 1 MiB, and a note that names it as the entry.
    private static func pvhFile(_ code: [UInt8]) -> [UInt8] {
        func little(_ numbers: [UInt32]) -> [UInt8] {
            numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        }
        let note = little([4, 4, 18, 0x006e_6558, 0x10_0000])
        let (start, size) = (UInt32(52 + 2 * 32), UInt32(code.count))
        let header = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1] + [UInt8](repeating: 0, count: 9) + [2, 0, 3, 0]
        let rest = little([1, 0x10_0000, 52, 0, 0]) + [52, 0, 32, 0, 2, 0, 40, 0, 0, 0, 0, 0]
        let load = little([1, start + 20, 0x10_0000, 0x10_0000, size, size, 7, 4])
        return header + rest + little([4, start, 0, 0, 20, 20, 4, 4]) + load + note + code
    }

    @Test("without ACPI there are no tables and no power switch")
    func withoutACPI() throws {
        let (report, output) = try run(Self.linux) { $0.acpi = .off }
        // What lies at address 0 is printed in place of the RSDP.
        #expect(output.starts(with: Array("one twom".utf8)) && output.count == 10 && output[8] != UInt8(ascii: "R"))
        #expect(report.outcome == .haltedForGood)
    }

    @Test("who starts the firmware again resets the machine")
    func firmwareEntry() throws {
        // jmp 0xf000:0xfff0
        var guest = TinyGuest(code: [0xea, 0xf0, 0xff, 0, 0xf0], configuration: MachineConfiguration(mode: .real))
        guest.configuration.interruptController = .kernel
        guest.configuration.memory = 2 << 20
        guest.configuration.acpi = .on
        #expect(try guest.machine().run(timeout: .seconds(20)).outcome == .reset)
    }

    @Test("a panic is told in the kernel's words, also if the kernel resets the machine", arguments: [false, true])
    func panic(resets: Bool) throws {
        let words = "Kernel panic - not syncing: no root"
        let text = resets ? "\(words)\r\n" : "\(words)\r\n---[ end \(words) ]---\r\nmore"
        // lea rbx, the text behind the code; then 0xfe to port 0x64; jmp to itself
        let rest = Self.printString + [0xb0, resets ? 0xfe : 0, 0xe6, 0x64, 0xeb, 0xfe]
        let code = [0x48, 0x8d, 0x1d, UInt8(rest.count), 0, 0, 0] + rest + Array(text.utf8) + [0]
        let (report, output) = try run(LinuxFile(code: code).bytes)
        #expect(report.outcome == .panicked("no root") && report.outcome.exitCode == 70)
        #expect(String(decoding: output, as: UTF8.self).hasPrefix(words))
    }

    @Test("what a protocol does not take is refused")
    func refusals() throws {
        #expect(throws: MachineError.self) {
            try run(Self.linux) { $0.boot.commandLine = String(repeating: "a", count: 256) }
        }
        #expect(throws: MachineError.self) { try run(Self.linux) { $0.boot.modules.append($0.boot.modules[0]) } }
        #expect(throws: MachineError.self) { try run(Self.linux) { $0.registers = [.ax: 1] } }
        #expect(throws: MachineError.self) { try run(Self.linux) { $0.memory = 8 << 20 } }
    }
}

@Suite struct HostBridgeTests {
    @Test("buses share an aperture without a gap, and each has what it claims", arguments: propertySeeds)
    func shares(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for step in 0..<300 {
            let buses = Set(
                (0..<Int.random(in: 1...6, using: &random)).map { _ in UInt16.random(in: 0...767, using: &random) }
            ).sorted()
            let aperture = UInt64.random(in: 0..<1 << 40, using: &random)...UInt64(1 << 41)
            let claims = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                (
                    bus: buses.randomElement(using: &random) ?? 0, isPort: false,
                    first: UInt64.random(in: 0..<1 << 42, using: &random)
                )
            }
            let shares = MachineLayout.shares(of: aperture, buses, claims)
            let all = shares.values.flatMap { $0 }.sorted { $0.lowerBound < $1.lowerBound }
            try #require(all.first?.lowerBound == aperture.lowerBound && all.last?.upperBound == aperture.upperBound)
            for (lower, upper) in zip(all, all.dropFirst()) {
                try #require(lower.upperBound + 1 == upper.lowerBound, "seed \(seed), step \(step)")
            }
            for claim in claims where aperture.contains(claim.first) {
                let own = shares[claim.bus] ?? []
                try #require(own.contains { $0.contains(claim.first) }, "seed \(seed), step \(step)")
            }
        }
    }
}
