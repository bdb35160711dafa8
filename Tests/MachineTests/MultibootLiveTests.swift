import Images
import LiveSupport
import Machine
import Memslots
import PCI
import Testing

@Suite("Multiboot guests", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct MultibootLiveTests {
    private static let boot = BootArguments(
        commandLine: "kernel one two",
        modules: [
            BootArguments.Module(string: "first NR_CPUS=3", bytes: [UInt8](repeating: 1, count: 5000)),
            BootArguments.Module(string: "empty", bytes: []), BootArguments.Module(string: "", bytes: [0xff, 0xff]),
        ])

    private func run(
        _ bytes: [UInt8], vcpus: Int = 1, memory: UInt64 = 16 << 20, boot: BootArguments = boot
    ) throws -> (report: RunReport, lines: [Substring]) {
        var configuration = MachineConfiguration(
            memory: memory, mode: .protected, vcpus: vcpus, interruptController: .kernel)
        configuration.boot = boot
        let image = try Image.load(bytes, flatLoadAddress: MachineConfiguration.defaultLoadAddress)
        #expect(image.format == .multiboot)
        let output = TinyGuest.Output()
        let machine = try GuestMachine(configuration, image: image, bytes: bytes, consoleOutput: output.append)
        let report = try machine.run(timeout: .seconds(20))
        return (report, String(decoding: output.bytes, as: UTF8.self).split(separator: "\n"))
    }

    @Test(
        "code for 32 and for 64 bits starts from every container, on 1, 2 and 8 vCPUs", arguments: [false, true],
        MultibootGuest.Container.allCases)
    func containers(isLong: Bool, container: MultibootGuest.Container) throws {
        let bytes = try MultibootGuest(isLong: isLong, container: container).bytes()
        for (vcpus, processors) in [
            (1, "0x00000001 0x00000001"), (2, "0x00000002 0x00000003"), (8, "0x00000008 0x000000ff"),
        ] {
            let (report, lines) = try run(bytes, vcpus: vcpus)
            #expect(report.outcome == .exited(0))
            #expect(lines.contains("processors \(processors)"))
            #expect(lines.last == "mode \(isLong ? "64-bit long" : "32-bit protected")")
        }
    }

    @Test("the command line, the memory and the modules arrive", arguments: ["multiboot", "multiboot-32"])
    func information(name: String) throws {
        let guest = try #require(BuiltInGuest.named(name))
        let (report, lines) = try run(guest.image)
        #expect(report.outcome == .exited(0))
        let map = [
            "map 0x00000000 0x00000000 0x00000000 0x0009fc00 0x00000001",
            "map 0x00000000 0x0009fc00 0x00000000 0x00060400 0x00000002",
            "map 0x00000000 0x00100000 0x00000000 0x00f00000 0x00000001",
        ]
        let modules = [
            "module 0x00100000 0x00001388 0x00001388 first NR_CPUS=3", "module 0x00102000 0x00000000 0x00000000 empty",
            "module 0x00103000 0x00000002 0x000001fe ",
        ]
        #expect(
            lines.map(String.init)
                == ["loader swiftlet", "command line kernel one two", "memory 0x0000027f 0x00003c00"] + map + modules
                + [
                    "processors 0x00000001 0x00000001",
                    "mode \(name == "multiboot" ? "64-bit long" : "32-bit protected")",
                ])
    }

    @Test("RAM above 4 GiB is in the map")
    func highMemory() throws {
        let guest = try #require(BuiltInGuest.named("multiboot-32"))
        let (report, lines) = try run(guest.image, memory: 5 << 30)
        #expect(report.outcome == .exited(0))
        #expect(lines.contains("memory 0x0000027f 0x002ffc00"))
        #expect(lines.contains("map 0x00000001 0x00000000 0x00000000 0x80000000 0x00000001"))
    }

    @Test("a module larger than the memory is refused, and so are boot arguments for another guest")
    func refusals() throws {
        let guest = try #require(BuiltInGuest.named("multiboot-32"))
        let large = BootArguments(
            modules: [BootArguments.Module(string: "", bytes: [UInt8](repeating: 0, count: 16 << 20))])
        #expect(throws: MachineError.self) { try run(guest.image, boot: large) }
        var tiny = TinyGuest(code: TinyGuest.exit(0))
        tiny.configuration.boot = Self.boot
        #expect(throws: MachineError.self) { try tiny.run() }
        tiny.configuration.boot = BootArguments()
        tiny.configuration.hasTimer = true
        #expect(throws: MachineError.self) { try tiny.run() }
    }
}

@Suite("Devices of test kernels", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct TestDeviceLiveTests {
    @Test("they work, and KVM takes the writes that the PCI test device leaves to it")
    func testdev() throws {
        let guest = try #require(BuiltInGuest.named("testdev"))
        let (report, output) = try TinyGuest(code: guest.image, configuration: guest.configuration).run()
        #expect(report.outcome == .exited(0))
        let names = String(decoding: output, as: UTF8.self).split(separator: "\n")
        #expect(
            names == [
                "mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd", "portio-no-eventfd",
                "portio-wildcard-eventfd", "portio-datamatch-eventfd",
            ])
    }

    /// Chooses a test and writes the right data 100 times, at exits of `expected`.
    @Test(
        "exits by kind of test",
        arguments: [(UInt8(0), 0xfa, 101), (1, 0xce, 1), (2, 0xfa, 1), (2, 0xfb, 101)] as [(UInt8, UInt8, Int)])
    func exits(test: UInt8, data: UInt8, expected: Int) throws {
        // mov dx, 0xc000; mov al, test; out dx, al; mov dx, 0xc083 + test; mov al, data; mov cx, 100; out dx, al; loop; exit
        let code: [UInt8] =
            [0xba, 0x00, 0xc0, 0xb0, test, 0xee, 0xba, 0x83 + test, 0xc0, 0xb0, data, 0xb9, 100, 0, 0xee, 0xe2, 0xfd]
            + TinyGuest.exit(0)
        var guest = TinyGuest(code: code)
        guest.configuration.functions = [try #require(FunctionAddress(bus: 0, device: 1, function: 0)): PCITestDevice()]
        let report = try guest.run().report
        #expect(report.outcome == .exited(0))
        #expect(report.exits.pio == expected + 1)
    }

    @Test("where the BAR moves or its decode goes off, KVM takes writes there no longer", arguments: [false, true])
    func eventFollowsTheBAR(moves: Bool) throws {
        // mov dx, 0xc000; mov al, 1; out dx, al; mov eax, 0x80000814 or 0x80000804; mov dx, 0xcf8; out dx, eax;
        // mov dl, 0xfc; mov eax, 0xc101 or 0; out dx, eax; mov dx, 0xc084; out dx, al; mov dx, 0xc184; out dx, al; exit
        let register: UInt8 = moves ? 0x14 : 0x04
        let code: [UInt8] =
            [0xba, 0x00, 0xc0, 0xb0, 1, 0xee, 0x66, 0xb8, register, 0x08, 0x00, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef]
            + [0xb2, 0xfc, 0x66, 0xb8, moves ? 1 : 0, moves ? 0xc1 : 0, 0, 0, 0x66, 0xef]
            + [0xba, 0x84, 0xc0, 0xee, 0xba, 0x84, 0xc1, 0xee] + TinyGuest.exit(0)
        var guest = TinyGuest(code: code)
        guest.configuration.functions = [try #require(FunctionAddress(bus: 0, device: 1, function: 0)): PCITestDevice()]
        let report = try guest.run().report
        #expect(report.outcome == .exited(0))
        // The test, address and data, the end; and those of the two writes that KVM does not take.
        #expect(report.exits.pio == (moves ? 5 : 6))
        #expect(report.unclaimedAccesses == (moves ? 1 : 2))
    }

    @Test("phases are kept once, however often a guest writes to the port")
    func phases() throws {
        // mov cx, 1000; mov al, cl; out 0xe0, al; loop; exit
        let code: [UInt8] = [0xb9, 0xe8, 0x03, 0x88, 0xc8, 0xe6, 0xe0, 0xe2, 0xfa] + TinyGuest.exit(0)
        let report = try TinyGuest(code: code).run().report
        #expect(report.phases.count == 256)
    }

    @Test("the report of an instruction that KVM's emulator does not know has its bytes and the mode")
    func unemulated() throws {
        // mov rax, cr4; or eax, OSFXSR; mov cr4, rax; mov ebx, 0xd0000000; pxor xmm0, [rbx]: where no memory is, so that every
        // KVM has to emulate it.
        let code: [UInt8] =
            [0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x02, 0, 0, 0x0f, 0x22, 0xe0, 0xbb, 0, 0, 0, 0xd0]
            + [0x66, 0x0f, 0xef, 0x03]
        let report = try TinyGuest(code: code, configuration: MachineConfiguration(mode: .long)).run().report
        guard case .internalError = report.outcome else {
            Issue.record("\(report.outcome)")
            return
        }
        let state = try #require(report.vcpus.first)
        #expect("\(state)".contains("stopped at: 66 0f ef 03"))
        #expect("\(state)".contains("in 64-bit long mode; KVM on hardware would run it"))
    }
}
