import Devices
import Images
import KVM
import LiveSupport
import Machine
import Memslots
import PCI
import Testing

/// The board that guests from elsewhere expect.
@Suite("The board of a PC", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct BoardLiveTests {
    private func run(_ code: [UInt8], _ change: (inout MachineConfiguration) -> Void = { _ in }) throws -> RunReport {
        var guest = TinyGuest(code: code)
        change(&guest.configuration)
        return try guest.run().report
    }

    private static func addTestDevice(_ configuration: inout MachineConfiguration) {
        configuration.functions = [FunctionAddress(device: 1): PCITestDevice()]
    }

    @Test("a timer that is loaded without a mode ticks, as after firmware")
    func timer() throws {
        // mov al, 0x10; out 0x40, al; out 0x40, al; mov al, 0x0a; out 0x20, al; again: in al, 0x20; test al, 1; jz again; exit
        let code: [UInt8] = [
            0xb0, 0x10, 0xe6, 0x40, 0xe6, 0x40, 0xb0, 0x0a, 0xe6, 0x20, 0xe4, 0x20, 0xa8, 1, 0x74, 0xfa,
        ]
        let report = try run(code + TinyGuest.exit(0)) {
            $0.interruptController = .kernel
            $0.hasTimer = true
        }
        #expect(report.outcome == .exited(0))
    }

    @Test("the old interrupt controllers have the vectors that firmware gives them")
    func vectors() throws {
        // xor ax, ax; mov ds, ax; mov word [4 * 0x73], handler; mov word [4 * 0x73 + 2], 0x1000; mov dx, 0x200b; mov al, 1; out dx, al;
        // sti; hlt; handler: exit
        let code: [UInt8] = [
            0x31, 0xc0, 0x8e, 0xd8, 0xc7, 6, 0xcc, 1, 24, 0, 0xc7, 6, 0xce, 1, 0, 0x10, 0xba, 0x0b, 0x20, 0xb0, 1, 0xee,
            0xfb, 0xf4,
        ]
        let report = try run(code + TinyGuest.exit(5)) { $0.interruptController = .kernel }
        #expect(report.outcome == .exited(5))
    }

    // MARK: CPUID

    /// ECX of a leaf, as a guest in protected mode sees it.
    private func ecx(_ leaf: UInt32, _ change: (inout MachineConfiguration) -> Void = { _ in }) throws -> UInt32 {
        // mov eax, leaf; xor ecx, ecx; cpuid; mov [0x20000], ecx; exit
        let number = (0..<4).map { UInt8(truncatingIfNeeded: leaf >> ($0 * 8)) }
        let code = [0xb8] + number + [0x31, 0xc9, 0x0f, 0xa2, 0x89, 0x0d, 0, 0, 2, 0] + TinyGuest.exit(0)
        var configuration = GuestCode.configuration()
        change(&configuration)
        let machine = try TinyGuest(code: code, configuration: configuration).machine()
        #expect(try machine.run(timeout: .seconds(10)).outcome == .exited(0))
        return try #require(machine.results(1).first)
    }

    @Test("there is a hypervisor, and the deadline timer and x2APIC where there is an APIC")
    func features() throws {
        let (hypervisor, timer, x2APIC): (UInt32, UInt32, UInt32) = (1 << 31, 1 << 24, 1 << 21)
        let with = try ecx(1) { $0.interruptController = .kernel }
        #expect(with & hypervisor != 0)
        let hasTimer = try KVMSystem().capability(.deadlineTimer) > 0
        #expect(with & timer != 0 || !hasTimer)
        #expect(try ecx(1) & (hypervisor | timer | x2APIC) == hypervisor)
        let name = try #require(CPUFeature(named: "x2apic"))
        let without = try ecx(1) {
            $0.interruptController = .kernel
            $0.features = [name: false]
        }
        #expect(with & ~without == with & x2APIC)
    }

    // MARK: Low memory

    @Test("conventional memory ends where the EBDA begins, and the EBDA has the table of the processors")
    func lowMemory() throws {
        // xor ax, ax; mov ds, ax; mov ax, [0x413]; mov ds, [0x40e]; mov bl, [0x13]; add al, bl; out 0xf4, al
        let code: [UInt8] = [
            0x31, 0xc0, 0x8e, 0xd8, 0xa1, 0x13, 0x04, 0x8e, 0x1e, 0x0e, 0x04, 0x8a, 0x1e, 0x13, 0, 0x00, 0xd8, 0xe6,
            0xf4,
        ]
        let report = try run(code) {
            $0.interruptController = .kernel
            $0.vcpus = 2
        }
        // The low byte of 639, and the last of "_MP_".
        #expect(report.outcome == .exited(UInt32(0x7f + 0x5f)))
    }

    @Test("a guest without interrupt controllers finds all memory below it zero")
    func noLowMemory() throws {
        let machine = try TinyGuest(code: TinyGuest.exit(0)).machine()
        #expect(machine.read(count: 0x600, at: GuestAddress(0)) == [UInt8](repeating: 0, count: 0x600))
    }

    @Test("registers have the values that they were given, beside the usual ones")
    func registers() throws {
        // add ax, dx; out 0xf4, al
        let report = try run([0x01, 0xd0, 0xe6, 0xf4]) { $0.registers = [.ax: 4] }
        #expect(report.outcome == .exited(5))
    }

    @Test("what a guest wrote to the text screen can be read")
    func textScreen() throws {
        // mov ax, 0xb800; mov es, ax; mov word es:[0], 0x0748; mov word es:[2], 0x0769; exit
        let code: [UInt8] =
            [0xb8, 0, 0xb8, 0x8e, 0xc0, 0x26, 0xc7, 6, 0, 0, 0x48, 7, 0x26, 0xc7, 6, 2, 0, 0x69, 7] + TinyGuest.exit(0)
        let machine = try TinyGuest(code: code).machine()
        #expect(machine.textScreen == nil)
        #expect(try machine.run(timeout: .seconds(10)).outcome == .exited(0))
        #expect(machine.textScreen == "Hi")
    }

    // MARK: Ends

    @Test("a write of v to the debug exit port ends the run with 2 v + 1, and so does the exit port if told so")
    func debugExit() throws {
        // mov al, 3; mov dx, 0x501; out dx, al
        #expect(try run([0xb0, 3, 0xba, 0x01, 0x05, 0xee]).outcome == .exited(7))
        #expect(try run(TinyGuest.exit(3)) { $0.exitStatus = .twiceAndOne }.outcome == .exited(7))
    }

    @Test("a reset ends the run", arguments: [false, true])
    func reset(hasPCI: Bool) throws {
        let add = { (configuration: inout MachineConfiguration) in if hasPCI { Self.addTestDevice(&configuration) } }
        // again: in al, 0x64; test al, 2; jnz again; mov al, 0xfe; out 0x64, al
        let keyboard: [UInt8] = [0xe4, 0x64, 0xa8, 2, 0x75, 0xfa, 0xb0, 0xfe, 0xe6, 0x64]
        #expect(try run(keyboard + TinyGuest.spin, add).outcome == .reset)
        // mov dx, 0xcf9; mov al, 2; out dx, al; mov al, 6; out dx, al
        let control: [UInt8] = [0xba, 0xf9, 0x0c, 0xb0, 2, 0xee, 0xb0, 6, 0xee]
        #expect(try run(control + TinyGuest.spin, add).outcome == .reset)
        // mov eax, 0x80000e00; mov dx, 0xcf8; out dx, eax: a configuration address, whose second byte means no reset.
        let address: [UInt8] = [0x66, 0xb8, 0, 0x0e, 0, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef]
        #expect(try run(address + TinyGuest.exit(4), add).outcome == .exited(4))
    }

    // MARK: Ports

    @Test("an access that begins before a device or passes its end is made in parts")
    func accessesAcrossEdges() throws {
        // mov ax, 0x500; out 0xf3, ax
        let before = try run([0xb8, 0, 5, 0xe7, 0xf3])
        #expect(before.outcome == .exited(5) && before.unclaimedAccesses == 1)
        // mov ax, 0x1234; out 0xe3, ax; in al, 0xe3; out 0xf4, al: the byte behind goes to another device.
        let behind = try run([0xb8, 0x34, 0x12, 0xe7, 0xe3, 0xe4, 0xe3, 0xe6, 0xf4])
        #expect(behind.outcome == .exited(0x34) && behind.unclaimedAccesses == 0)
        // mov al, 0x5a; out 0xe0, al; xor eax, eax; in eax, 0xde; out 0xf4, eax
        let dword = try run([0xb0, 0x5a, 0xe6, 0xe0, 0x66, 0x31, 0xc0, 0x66, 0xe5, 0xde, 0x66, 0xe7, 0xf4])
        #expect(dword.outcome == .exited(0x5a_ffff) && dword.unclaimedAccesses == 2)
    }

    @Test("a word across the first port of a BAR reaches the BAR")
    func accessAcrossTheEdgeOfABAR() throws {
        // mov dx, 0xc000; mov al, 0; out dx, al; dec dx; in ax, dx; out 0xf4, ax: what lies before reads as all ones,
        // and the first byte of the BAR is the number of tests.
        let code: [UInt8] = [0xba, 0, 0xc0, 0xb0, 0, 0xee, 0x4a, 0xed, 0xe7, 0xf4]
        let report = try run(code, Self.addTestDevice)
        guard case .exited(let value) = report.outcome else {
            Issue.record("\(report.outcome)")
            return
        }
        #expect(value == 0x03ff)
        #expect(report.unclaimedAccesses == 1)
    }

    /// Selects a register of the test device, and gives the word at a port.
    private func word(selecting low: UInt8, at port: UInt8) throws -> UInt32? {
        // mov eax, 0x80000800 + low; mov dx, 0xcf8; out dx, eax; mov dl, port; in ax, dx; out 0xf4, ax
        let code: [UInt8] = [
            0x66, 0xb8, low, 0x08, 0, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef, 0xb2, port, 0xed, 0xe7, 0xf4,
        ]
        guard case .exited(let value) = try run(code, Self.addTestDevice).outcome else { return nil }
        return value
    }

    @Test("the low bits of a register stand in CONFIG_ADDRESS, in the port, or in both")
    func configurationAddress() throws {
        // 1b36:0005.
        #expect(try word(selecting: 0, at: 0xfc) == 0x1b36)
        #expect(try word(selecting: 2, at: 0xfc) == 5)
        #expect(try word(selecting: 0, at: 0xfe) == 5)
        #expect(try word(selecting: 2, at: 0xfe) == 5)
        #expect(try word(selecting: 0, at: 0xfd) == 0x051b)
    }

    // MARK: Multiboot

    private static func little(_ numbers: [UInt32]) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    }

    /// Keeps EAX, EBX and what it pushed: mov [0x20000], eax; mov [0x20004], ebx; push 0x1234; pop [0x20008]; exit
    private static let kernel: [UInt8] =
        [0xa3, 0, 0, 2, 0, 0x89, 0x1d, 4, 0, 2, 0, 0x68, 0x34, 0x12, 0, 0, 0x8f, 5, 8, 0, 2, 0] + TinyGuest.exit(0)

    private func start(_ header: [UInt32]) throws -> (image: Image, machine: GuestMachine) {
        let bytes = Self.little(header) + Self.kernel
        let image = try Image.load(bytes, flatLoadAddress: GuestAddress(0))
        var configuration = MachineConfiguration(memory: 16 << 20, interruptController: .kernel)
        configuration.boot = BootArguments(commandLine: "kernel x")
        let machine = try GuestMachine(configuration, image: image, bytes: bytes, consoleOutput: { _, _ in })
        #expect(try machine.run(timeout: .seconds(10)).outcome == .exited(0))
        return (image, machine)
    }

    @Test("a multiboot 2 kernel starts with its information and a stack")
    func multiboot2() throws {
        let (magic, length): (UInt32, UInt32) = (0xe852_50d6, 64)
        let (image, machine) = try start(
            [magic, 0, length, 0 &- magic &- length, 2, 24, 0x10_0000, 0x10_0000, 0, 0, 3, 12, 0x10_0040, 0, 0, 8])
        #expect(image.format == .multiboot2)
        let results = machine.results(3)
        #expect(results.first == 0x36d7_6289 && results.last == 0x1234)
        let information = try #require(machine.read(count: 24, at: GuestAddress(UInt64(results[1]))))
        // The command line is the first tag, at 8.
        #expect(information[8...] == Self.little([1, 17])[...] + Array("kernel x".utf8)[...])
    }

    @Test("a multiboot 1 kernel that wants a video mode starts all the same, and has a stack")
    func videoMode() throws {
        let (magic, flags): (UInt32, UInt32) = (0x1bad_b002, 1 << 16 | 1 << 2)
        let (image, machine) = try start(
            [magic, flags, 0 &- magic &- flags, 0x10_0000, 0x10_0000, 0, 0, 0x10_0030, 0, 0, 0, 0])
        #expect(image.wantsVideoMode)
        #expect(machine.results(3).last == 0x1234 && machine.results(1) == [0x2bad_b002])
    }
}
