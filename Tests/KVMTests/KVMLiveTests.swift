import Foundation
import Host
import KVM
import LiveSupport
import SystemPackage
import Testing

@Suite("KVM's handles", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct KVMLiveTests {
    @Test("a device that is missing, or is not KVM, is named in the error")
    func badDevices() {
        let missing = #expect(throws: KVMError.self) { _ = try KVMSystem(device: "/nonexistent/kvm") }
        #expect(missing?.errno == .noSuchFileOrDirectory)
        #expect(missing.map { "\($0)".contains("/nonexistent/kvm") } == true)
        let other = #expect(throws: KVMError.self) { _ = try KVMSystem(device: "/dev/null") }
        #expect(other?.request == "KVM_GET_API_VERSION")
    }

    @Test("the capabilities that Swiftlet stands on are there")
    func capabilities() throws {
        let system = try KVMSystem()
        for capability in [Capability.userMemory, .immediateExit, .readOnlyMemory, .memslots] {
            #expect(try system.capability(capability) > 0, "\(capability.name)")
        }
    }

    @Test("registers come back as they were set")
    func registers() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        let cpu = try vm.makeVirtualCPU(id: 0)
        var registers = GeneralRegisters()
        registers.rax = 0x0123_4567_89ab_cdef
        registers.r15 = .max
        registers.rip = 0x1234
        try cpu.setGeneralRegisters(registers)
        #expect(try cpu.generalRegisters() == registers)
        var system = try cpu.systemRegisters()
        system.cs.base = 0x10000
        system.cs.selector = 0x1000
        try cpu.setSystemRegisters(system)
        let read = try cpu.systemRegisters()
        #expect(read.cs.base == 0x10000 && read.cs.selector == 0x1000)
    }

    /// Every field at its place: the structures are read as KVM writes them.
    @Test("registers after reset are the processor's (SDM volume 3A, 10.1.1)")
    func resetRegisters() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        let cpu = try vm.makeVirtualCPU(id: 0)
        let general = try cpu.generalRegisters()
        #expect(general.rip == 0xfff0 && general.rflags == 2 && general.rax == 0)
        let system = try cpu.systemRegisters()
        #expect(system.cs.selector == 0xf000 && system.cs.base == 0xffff_0000)
        for segment in [system.cs, system.ds, system.es, system.fs, system.gs, system.ss] {
            #expect(segment.limit == 0xffff && segment.isPresent && segment.isCodeOrData)
            #expect(!segment.is32Bit && !segment.is64Bit && !segment.hasPageGranularity && segment.privilegeLevel == 0)
        }
        #expect(system.tr.isPresent && !system.tr.isCodeOrData && system.ldt.isPresent && !system.ldt.isCodeOrData)
        #expect(system.gdt.limit == 0xffff && system.idt.limit == 0xffff)
        #expect(system.cr0 == 0x6000_0010 && system.cr3 == 0 && system.cr4 == 0 && system.efer == 0)
        #expect(system.apicBase & 0xffff_f000 == 0xfee0_0000)
    }

    @Test("the same vCPU id twice is refused with the request and the id")
    func duplicateVCPU() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        let cpu = try vm.makeVirtualCPU(id: 3)
        let error = #expect(throws: KVMError.self) { _ = try vm.makeVirtualCPU(id: 3) }
        #expect(error.map { "\($0)".contains("KVM_CREATE_VCPU (vCPU 3)") } == true)
        #expect(cpu.id == 3)
    }

    @Test("immediate_exit makes KVM_RUN come back at once")
    func immediateExit() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        let cpu = try vm.makeVirtualCPU(id: 0)
        cpu.setImmediateExit(true)
        #expect(cpu.runUntilExit() == .interrupted)
        #expect(cpu.runUntilExit() == .interrupted)
    }

    @Test("a slot request that KVM refuses gives its errno")
    func refusedSlot() throws {
        let vm = try KVMSystem().makeVirtualMachine()
        #expect(vm.setMemoryRegion(slot: 0, flags: 0, guestAddress: 0, size: 0, hostAddress: 0) == 22)
    }

    @Test("supported CPUID has the leaves that start state and reports use, and APIC ids are put in")
    func cpuid() throws {
        let leaves = try KVMSystem().supportedCPUID()
        #expect((36...52).contains(leaves.physicalAddressBits))
        let third = leaves.forVCPU(id: 3, of: 4)
        #expect(third.leaf(1).map { $0.ebx >> 24 } == 3)
    }

    @Test("descriptors are closed again: 100 machines leave none open")
    func noLeaks() throws {
        let system = try KVMSystem()
        let before = try Self.openMachines()
        for _ in 0..<100 {
            let vm = try system.makeVirtualMachine()
            #expect(throws: KVMError.self) { _ = try vm.makeVirtualCPU(id: .max) }
        }
        // Tests that run at the same time have some, too.
        #expect(try Self.openMachines() < before + 50)
    }

    /// How many descriptors of virtual machines this process has.
    private static func openMachines() throws -> Int {
        let directory = "/proc/self/fd"
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: directory)
        // Others come and go between the listing and the look.
        return descriptors.filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)")) == "anon_inode:kvm-vm"
        }.count
    }
}
