import LiveSupport
import Machine
import Memslots
import Testing

/// Where KVM's emulator and KVM on hardware differ (docs/kvm-backends.md), and what comes out of it either way.
@Suite("One guest, several kinds of KVM", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct BackendLiveTests {
    @Test("a triple fault shows the registers, or says that KVM has reset them")
    func tripleFault() throws {
        // mov al, 'x'; out 0xe9, al; ud2
        let report = try run([0xb0, 0x78, 0xe6, 0xe9, 0x0f, 0x0b])
        #expect(report.outcome == .shutdown)
        let state = "\(try #require(report.vcpus.first))"
        let isReset = state.contains("cs:rip f000:000000000000fff0")
        #expect(state.contains("0f 0b") != isReset)
        #expect(state.contains("the state after a reset") == isReset)
        #expect(state.contains("last device access: out port 0xe9"))
    }

    @Test("instructions from where there is no memory end the run, with their address")
    func fetchFromHole() throws {
        // mov ebx, 0xd0000000; jmp rbx
        let report = try run([0xbb, 0, 0, 0, 0xd0, 0xff, 0xe3])
        #expect(isInternalError(report.outcome))
        let state = "\(try #require(report.vcpus.first))"
        #expect(state.contains("cs:rip 0008:00000000d0000000"))
        #expect(state.contains("instruction pointer: not mapped"))
    }

    @Test("what the emulator cannot do with device memory is shown, also on hardware")
    func unemulatedDeviceAccess() throws {
        // mov ebx, 0xd0000000; fld qword [rbx]
        let report = try run([0xbb, 0, 0, 0, 0xd0, 0xdd, 0x03])
        #expect(isInternalError(report.outcome))
        #expect("\(try #require(report.vcpus.first))".contains("emulator stopped at: dd 03"))
    }

    @Test("page tables where there is no memory are a triple fault")
    func pageTablesInHole() throws {
        // mov ebx, 0xd0000000; mov cr3, rbx; nop
        #expect(try run([0xbb, 0, 0, 0, 0xd0, 0x0f, 0x22, 0xdb, 0x90]).outcome == .shutdown)
    }

    @Test("a breakpoint reaches its handler on hardware, and the emulator says that it cannot")
    func breakpoint() throws {
        let code: [UInt8] = [
            0xc7, 0x04, 0x25, 0x30, 0x00, 0x02, 0x00, 0x40, 0x00, 0x08, 0x00,  // mov dword [0x20030], 0x80040
            0xc7, 0x04, 0x25, 0x34, 0x00, 0x02, 0x00, 0x00, 0x8e, 0x01, 0x00,  // mov dword [0x20034], 0x18e00
            0x66, 0xc7, 0x04, 0x25, 0x00, 0x00, 0x03, 0x00, 0xff, 0x0f,  // mov word [0x30000], 0xfff
            0xc7, 0x04, 0x25, 0x02, 0x00, 0x03, 0x00, 0x00, 0x00, 0x02, 0x00,  // mov dword [0x30002], 0x20000
            0x0f, 0x01, 0x1c, 0x25, 0x00, 0x00, 0x03, 0x00,  // lidt [0x30000]
            0xcc,  // int3
        ]
        let handler = [UInt8](repeating: 0x90, count: 0x40 - code.count % 0x40) + TinyGuest.exit(0)
        let report = try run(code + handler)
        if report.outcome != .exited(0) {
            #expect(isInternalError(report.outcome))
            #expect("\(try #require(report.vcpus.first))".contains("emulator stopped at: cc"))
        }
    }

    @Test("an access across the end of memory touches the device with its rest, an unaligned one both pages")
    func splitAccesses() throws {
        // mov ebx, 0xfffffd (16 MiB - 3); mov rax, [rbx]; shr rax, 24; inc eax; mov ebx, 0xd0000ffd; mov rcx, [rbx]; exit
        let code: [UInt8] = [
            0xbb, 0xfd, 0xff, 0xff, 0x00, 0x48, 0x8b, 0x03, 0x48, 0xc1, 0xe8, 0x18, 0xff, 0xc0,
            0xbb, 0xfd, 0x0f, 0x00, 0xd0, 0x48, 0x8b, 0x0b, 0xe7, 0xf4,  // out 0xf4, eax
        ]
        let report = try run(code)
        #expect(report.outcome == .exited(0))
        #expect(report.exits.mmio == 3)
    }

    @Test("page tables in read-only memory, whose accessed bits nobody can set, still translate")
    func readOnlyPageTables() throws {
        // mov ebx, 0xd0000000; mov cr3, rbx; exit
        var guest = TinyGuest(code: [0xbb, 0, 0, 0, 0xd0, 0x0f, 0x22, 0xdb] + TinyGuest.exit(0))
        guest.configuration = MachineConfiguration(spareMemory: 1 << 20)
        let machine = try guest.machine()
        let range = GuestRange(at: 0xd000_0000, size: 0x1000)
        let backing = try machine.allocate(0x1000)
        let table = try #require(machine.read(count: 0x1000, at: GuestAddress(0x1000)))
        try machine.changeMemory(adding: [Mapping(range: range, backing: backing, owner: .other(0))])
        #expect(machine.write(table, at: range.first))
        try machine.changeMemory(
            removing: [range],
            adding: [Mapping(range: range, backing: backing, access: .readOnly, owner: .other(0))])
        #expect(try machine.run(timeout: .seconds(10)).outcome == .exited(0))
    }

    private func run(_ code: [UInt8]) throws -> RunReport {
        try TinyGuest(code: code, configuration: MachineConfiguration(memory: 16 << 20)).run().report
    }

    private func isInternalError(_ outcome: Outcome) -> Bool {
        if case .internalError = outcome { true } else { false }
    }
}
