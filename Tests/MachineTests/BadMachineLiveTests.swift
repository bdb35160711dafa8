import Host
import Images
import LiveSupport
import Machine
import Memslots
import PCI
import Testing

@Suite("Machines that cannot be", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct BadMachineLiveTests {
    @Test("no memory, a part of a page, no vCPU, vCPUs that could not start: each says what was wrong")
    func configurations() throws {
        #expect(try refusal { $0.memory = 0 }.contains("0 bytes"))
        #expect(try refusal { $0.memory = 4097 }.contains("4096"))
        #expect(try refusal { $0.vcpus = 0 }.contains("0 vCPUs"))
        #expect(try refusal { $0.vcpus = -1 }.contains("vCPUs"))
        #expect(try refusal { $0.vcpus = 2 }.contains("interrupt controller"))
        #expect(
            try refusal {
                $0.vcpus = 1_000_000
                $0.interruptController = .kernel
            }.contains("KVM_CAP_MAX_VCPUS"))
    }

    @Test(
        "more memory than addresses, or than the host can reserve, is refused", arguments: [UInt64(1) << 60, 1 << 63])
    func tooMuchMemory(memory: UInt64) throws {
        #expect(try refusal { $0.memory = memory }.contains("\(memory) bytes"))
    }

    @Test("memory that does not hold the boot data or the image is refused")
    func tooLittleMemory() throws {
        #expect(try refusal { $0.memory = 0x2000 }.contains("page tables"))
        #expect(
            try refusal {
                $0.mode = .real
                $0.memory = 0x10000
            }.contains("the image needs memory"))
    }

    @Test("an image over the page tables is refused, and named with them")
    func overBootData() throws {
        let image = try Image.flat(byteCount: 4, at: GuestAddress(0x2000))
        let error = #expect(throws: MachineError.self) {
            _ = try GuestMachine(
                MachineConfiguration(), image: image, bytes: [0, 0, 0, 0], consoleOutput: { _, _ in })
        }
        #expect(error.map { "\($0)".contains("the page tables") } == true)
    }

    @Test("an image in the hole is refused")
    func imageInHole() throws {
        let image = try Image.flat(byteCount: 4, at: GuestAddress(0xd000_0000))
        #expect(throws: MachineError.self) {
            _ = try GuestMachine(
                MachineConfiguration(memory: 5 << 30), image: image, bytes: [0, 0, 0, 0], consoleOutput: { _, _ in })
        }
    }

    @Test("extra slots over the RAM are refused with both owners")
    func overlappingSlots() throws {
        let text = try refusal {
            $0.extraSlots = [ExtraSlot(range: GuestRange(at: 0x1000, size: 0x1000), access: .readOnly)]
        }
        #expect(text.contains("RAM") && text.contains("extra slot"))
    }

    @Test("BARs that the kernel cannot keep account of are refused, also if the guest is to assign their addresses")
    func largeBARs() throws {
        let size: UInt64 = 1 << 46
        let available = try #require(try KernelFigures.ofHost().bytes("MemAvailable"))
        guard Footprint.kernelBytes(pages: size >> Page.shift, mmu: .ofHost) > available / 2 else { return }
        let text = try refusal {
            $0.functions[FunctionAddress(requesterID: 1 << 3)] = DescribedFunction(
                FunctionDescription(
                    vendorID: 0x1af4, deviceID: 0x10f1,
                    bars: [0: BARDescription(kind: .memory64, size: size, isPrefetchable: true)]))
            $0.assignsAddresses = false
        }
        #expect(text.contains("the kernel needs"))
    }

    private func refusal(_ change: (inout MachineConfiguration) -> Void) throws -> String {
        var guest = TinyGuest(code: TinyGuest.exit(0), configuration: MachineConfiguration())
        change(&guest.configuration)
        let error = #expect(throws: MachineError.self) { _ = try guest.machine() }
        return error.map { "\($0)" } ?? ""
    }
}
