import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import Testing
import VFIOUser
import VFIOUserSupport

@testable import Machine

/// A guest with a device of another process.
@Suite("Device processes", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct AssignedDeviceLiveTests {
    static let address = FunctionAddress(device: 5)
    static let registers: UInt32 = 0xe000_0000
    static let memory: UInt32 = 0xe001_0000
    static let area: UInt32 = memory + 0x1000
    private static let apic: UInt32 = 0xfee0_0000

    /// Places the BARs, and lets the function answer and send.
    static func start(_ code: inout GuestCode) {
        code.writeConfiguration(registers, address, at: 0x10)
        code.writeConfiguration(memory, address, at: 0x18)
        code.writeConfiguration(0x2000, address, at: 0x20)
        code.writeConfiguration(7, address, at: 4)
    }

    static func machine(
        _ server: ScriptedServer, policy: SlotPolicy = .separate, decode: DecodePolicy = .strict,
        trace: Int32? = nil, _ body: (inout GuestCode) -> Void
    ) throws -> GuestMachine {
        var guest = TinyGuest(
            code: GuestCode { code in
                start(&code)
                body(&code)
            }.bytes, configuration: GuestCode.configuration(policy: policy))
        guest.configuration.interruptController = .kernel
        guest.configuration.decode = decode
        guest.configuration.assignsAddresses = false
        try guest.configuration.add(DeviceProcess(path: server.path), at: address)
        return try guest.machine(trace: trace)
    }

    @Test(
        "areas are memory without exits, everything else is asked", arguments: SlotPolicy.allCases,
        DecodePolicy.allCases)
    func accesses(policy: SlotPolicy, decode: DecodePolicy) throws {
        let server = try ScriptedServer()
        let file = try server.file.withLock { try ForeignMemory($0, offset: 0x10000, size: 0x8000) }
        let isWritten = file.write([0x0d, 0xf0, 0x0d, 0x60].span, at: 0x2ffc)
        #expect(isWritten)
        let machine = try Self.machine(server, policy: policy, decode: decode) { code in
            code.store(0x1122_3344, at: Self.area)
            code.load(Self.area + 0x1ffc)
            code.keep(0)
            code.store(0x5566_7788, at: Self.memory + 0x5ffc)
            // Two accesses that trap, one between the areas and one to a register.
            code.store(0x99aa_bbcc, at: Self.memory + 0x4000)
            code.load(Self.registers + 0x100)
            code.keep(1)
            code.store(0x77, at: Self.registers + 0x100)
            code.outByte(0x42, 0x2003)
            code.readConfiguration(Self.address, at: 0x70)
            code.keep(2)
            code.readConfiguration(Self.address, at: 0x2c)
            code.keep(3)
            code.load(Self.memory + 0x7000)
            code.keep(4)
            code.exit(0)
        }
        server.state.withLock { $0.memory[.bar0]?.replaceSubrange(0x100..<0x104, with: [1, 2, 3, 4]) }
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(report.exits.mmio == 4)
        #expect(machine.results(5) == [0x600d_f00d, 0x0403_0201, 0x4210_0009, 0x0077_1af4, 0])
        let first = file.read(count: 4, at: 0x1000)
        let last = file.read(count: 4, at: 0x5ffc)
        #expect(first == [0x44, 0x33, 0x22, 0x11] && last == [0x88, 0x77, 0x66, 0x55])
        server.state.withLock { state in
            #expect(state.memory[.bar2]?[0x4000..<0x4004] == [0xcc, 0xbb, 0xaa, 0x99])
            #expect(state.memory[.bar0]?[0x100] == 0x77 && state.memory[.bar4]?[3] == 0x42)
            #expect(state.resets == 1, "at the end of the run")
            #expect(state.mapped.map(\.size) == [2 << 20] && state.mapped.map(\.address) == [0])
        }
    }

    @Test("its own requests of memory are served while the guest runs and while it does not")
    func directMemory() throws {
        let server = try ScriptedServer()
        let machine = try Self.machine(server) { code in
            code.store(0x1234_5678, at: GuestCode.results)
            code.store(GuestCode.results, at: Self.registers + 0x08)
            code.store(GuestCode.results + 0x10, at: Self.registers + 0x18)
            // Not RAM.
            code.store(Self.registers, at: Self.registers + 0x18)
            code.load(GuestCode.results + 0x10)
            code.keep(8)
            code.exit(0)
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(9)[8] == 0x1234_5678)
        #expect(server.state.withLock { $0.errors } == [nil, nil, 14])
        // The guest runs no more.
        server.readMemory(at: UInt64(GuestCode.results))
        let deadline = SuspendingClock.now + .seconds(30)
        while server.state.withLock({ $0.errors.count < 4 }), deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        #expect(server.state.withLock { $0.errors.last } == .some(nil))
        withExtendedLifetime(machine) {}
    }

    @Test("writes for which the server has an eventfd make no exit")
    func doorbell() throws {
        let server = try ScriptedServer()
        let machine = try Self.machine(server) { code in
            for _ in 0..<5 { code.store(1, at: Self.registers + 0x40) }
            code.exit(0)
        }
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0) && report.exits.mmio == 0)
        #expect(server.doorbell.take() == 5)
    }

    // MARK: Interrupts

    /// Waits until the local APIC has an interrupt of this vector.
    private static func waitFor(vectors: [UInt32], _ code: inout GuestCode) {
        let bits = vectors.reduce(UInt32(0)) { $0 | 1 << ($1 & 31) }
        code.wait(until: apic + 0x200 + 0x10 * (vectors[0] / 32), is: bits)
    }

    @Test("MSI-X: a masked vector pends, and comes when it is opened", arguments: SlotPolicy.allCases)
    func messagesX(policy: SlotPolicy) throws {
        let server = try ScriptedServer()
        let table = Self.memory
        let machine = try Self.machine(server, policy: policy) { code in
            code.store(0x1ff, at: Self.apic + 0xf0)
            for vector in UInt32(0)..<2 {
                code.store(Self.apic, at: table + 16 * vector)
                code.store(0x41 + vector, at: table + 16 * vector + 8)
                code.store(0, at: table + 16 * vector + 12)
            }
            code.writeConfiguration(1 << 31 | 3 << 16, Self.address, at: 0x40)
            code.store(0, at: Self.registers)
            Self.waitFor(vectors: [0x41], &code)
            code.store(1, at: table + 16 + 12)
            code.store(1, at: Self.registers)
            code.load(Self.memory + 0x800)
            code.keep(0)
            code.load(Self.apic + 0x220)
            code.keep(1)
            // With another message.
            code.store(0x43, at: table + 16 + 8)
            code.store(0, at: table + 16 + 12)
            Self.waitFor(vectors: [0x41, 0x43], &code)
            code.load(Self.memory + 0x800)
            code.keep(2)
            code.writeConfiguration(0, Self.address, at: 0x40)
            code.exit(0)
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(3) == [2, 2, 0])
        #expect(server.state.withLock { $0.events[.msix] } == nil, "taken down")
    }

    @Test("MSI, with 64 address bits and without masks")
    func messages() throws {
        let server = try ScriptedServer()
        let machine = try Self.machine(server) { code in
            code.store(0x1ff, at: Self.apic + 0xf0)
            code.writeConfiguration(Self.apic, Self.address, at: 0x54)
            code.writeConfiguration(0x4c, Self.address, at: 0x5c)
            code.writeConfiguration(1 << 16 | 2 << 20, Self.address, at: 0x50)
            code.store(3, at: Self.registers)
            Self.waitFor(vectors: [0x4f], &code)
            // Without bus master nothing is sent; it comes when that is on again.
            code.writeConfiguration(3, Self.address, at: 4)
            code.store(0, at: Self.registers)
            code.load(Self.apic + 0x220)
            code.keep(0)
            code.writeConfiguration(7, Self.address, at: 4)
            Self.waitFor(vectors: [0x4f, 0x4c], &code)
            code.exit(0)
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(1) == [1 << 15])
    }

    @Test(
        "a reset by the machine takes memory and messages before the device is reset", arguments: DecodePolicy.allCases)
    func reset(decode: DecodePolicy) throws {
        let server = try ScriptedServer()
        let machine = try Self.machine(server, decode: decode) { code in
            code.writeConfiguration(1 << 16, Self.address, at: 0x50)
            code.store(1, at: Self.registers + 0x200)
            code.wait(until: Self.area, is: 0xffff_ffff)
            code.readConfiguration(Self.address, at: 4)
            code.keep(0)
            code.readConfiguration(Self.address, at: 0x14)
            code.keep(1)
            code.exit(0)
        }
        let running = try machine.start()
        let deadline = SuspendingClock.now + .seconds(30)
        while server.state.withLock({ $0.memory[.bar0]?[0x200] != 1 }), deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        #expect(server.state.withLock { $0.events[.msi] } != nil)
        try machine.reset(Self.address)
        #expect(server.state.withLock { $0.resets } == 1 && server.state.withLock { $0.events[.msi] } == nil)
        #expect(!machine.mappings.values.contains { $0 != .ram })
        #expect(try running.report().outcome == .exited(0))
        #expect(machine.results(2).map { $0 & 0xffff } == [0, 0])
    }

    @Test("the interrupt line is up until the guest has handled it, and the server is told then")
    func line() throws {
        let server = try ScriptedServer()
        let machine = try Self.machine(server) { code in
            code.readConfiguration(Self.address, at: 0x3c)
            code.keep(0)
            code.outByte(0x0c, 0x4d1)
            for _ in 0..<3 {
                code.store(0, at: Self.registers)
                code.waitForSecondPIC()
            }
            code.exit(0)
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        let line = machine.results(1)[0]
        #expect(line >> 8 == 1 && [9, 10, 11].contains(line & 0xff), "\(line)")
        let deadline = SuspendingClock.now + .seconds(30)
        // Two that come soon after each other are told as one.
        while server.state.withLock({ $0.unmasks < 1 }), deadline > .now { HostThread.sleep(for: .milliseconds(1)) }
        #expect((1...3).contains(server.state.withLock { $0.unmasks }))
    }
}
