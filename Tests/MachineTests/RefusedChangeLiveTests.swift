import Devices
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

/// Each call of a change that a guest makes fails once, with a real KVM behind the others.
@Suite("Changes that are refused", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RefusedChangeLiveTests {
    private static let moved = FunctionAddress(device: 1)
    private static let neighbour = FunctionAddress(device: 2)
    private static let testDevice = FunctionAddress(device: 3)
    /// Where the first of them is at boot, and where it goes.
    private static let base: UInt32 = 0xd000_0000
    private static let target: UInt32 = 0xe000_0000
    private static let marker: UInt32 = 0x600d_f00d

    /// A machine of which a call fails, and what the guest of that machine may expect.
    private struct Machine {
        let machine: GuestMachine
        let faults = Faults()
        let observer: RecordingObserver

        init(_ code: GuestCode, vcpus: Int, _ policy: SlotPolicy) throws {
            var guest = TinyGuest(
                code: code.bytes, configuration: GuestCode.configuration(vcpus: vcpus, policy: policy))
            guest.configuration.functions = [
                moved: EventFunction(), neighbour: plainFunction(), testDevice: PCITestDevice(),
            ]
            machine = try guest.machine()
            observer = RecordingObserver(faults)
            _ = try machine.addObserver(observer, of: nil)
            #expect(machine.register(0x10, of: moved) == UInt64(base))
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: marker >> ($0 * 8)) }
            #expect(machine.write(bytes, at: GuestAddress(UInt64(base) + 0x1000)))
            faults.install(in: machine)
        }

        /// Runs the guest with a call refused, checks that nothing has changed, and returns whether there was such a call.
        func run(refusing call: Int, register: UInt64, of function: FunctionAddress = moved) throws -> Bool {
            let (before, slots, mappings) = (machine.register(register, of: function), machine.slots, machine.mappings)
            faults.refuse([call])
            let report = try machine.run(timeout: .seconds(60))
            guard report.refusals.count > 0 else { return false }
            #expect(report.outcome == .exited(0))
            #expect(report.refusals.count == 1)
            let refusal = try #require(report.refusals.list.first)
            #expect(refusal.function == function && refusal.register == register)
            #expect(["kernel", "observer"].contains(refusal.rule))
            #expect(machine.results(1) == [UInt32(before)])
            #expect(Array(machine.slots.all) == Array(slots.all))
            #expect(machine.mappings == mappings)
            #expect(observer.mappings == mappings)
            return true
        }
    }

    /// A guest in which all vCPUs but the first look at the moved function's memory until the end.
    private static func guest(
        vcpus: Int, sees value: UInt32 = marker, _ body: (inout GuestCode) -> Void
    ) -> GuestCode {
        guard vcpus > 1 else { return GuestCode(body) }
        return GuestCode(vcpus: vcpus) { code in
            code.onVCPU(0, body)
            code.forever {
                $0.load(base + 0x1000)
                $0.unless(value) { $0.exit(99) }
            }
        }
    }

    /// Calls `body` with the number of each call, until there is none of this number.
    private static func forEachCall(atLeast least: Int, _ body: (Int) throws -> Bool) throws {
        var call = 0
        while try body(call) { call += 1 }
        #expect(call >= least)
    }

    @Test("a BAR that cannot move stays, with its slots, windows and events", arguments: SlotPolicy.allCases, [1, 2])
    func moves(policy: SlotPolicy, vcpus: Int) throws {
        let code = Self.guest(vcpus: vcpus) { code in
            code.writeConfiguration(Self.target, Self.moved, at: 0x10)
            code.readConfiguration(Self.moved, at: 0x10)
            code.keep(0)
            code.load(Self.base + 0x1000)
            code.keep(1)
            code.store(1, at: Self.base + 0x10)
            code.store(2, at: Self.base + 0x10)
            code.load(Self.base)
            code.keep(2)
            code.exit(0)
        }
        try Self.forEachCall(atLeast: policy == .separate ? 5 : 8) { call in
            let machine = try Machine(code, vcpus: vcpus, policy)
            guard try machine.run(refusing: call, register: 0x10) else { return false }
            #expect(machine.machine.results(3) == [Self.base, Self.marker, 2], "call \(call)")
            // A later try succeeds.
            try machine.machine.writeConfiguration(UInt64(Self.target), of: Self.moved, at: 0x10, width: .doubleword)
            #expect(machine.machine.register(0x10, of: Self.moved) == UInt64(Self.target))
            let owner = machine.machine.mapping(at: GuestAddress(UInt64(Self.target) + 0x1000))?.owner
            #expect(owner == .bar(function: Self.moved.requesterID, number: 0))
            #expect(machine.observer.mappings == machine.machine.mappings)
            return true
        }
    }

    @Test(
        "events are taken by KVM after a refused move as before it: one exit, for the count", arguments: [0, 1, 2, 3])
    func eventsStay(call: Int) throws {
        let code = GuestCode { code in
            code.writeConfiguration(Self.target, Self.moved, at: 0x10)
            code.readConfiguration(Self.moved, at: 0x10)
            code.keep(0)
            code.repeated(10) { $0.store(1, at: Self.base + 0x10) }
            code.load(Self.base)
            code.keep(1)
            code.exit(0)
        }
        let machine = try Machine(code, vcpus: 1, .separate)
        machine.faults.refuse([call])
        let report = try machine.machine.run(timeout: .seconds(60))
        #expect(report.refusals.count == 1)
        #expect(machine.machine.results(2) == [Self.base, 10])
        #expect(report.exits.mmio == 1)
    }

    @Test("decode that cannot be switched off stays on", arguments: SlotPolicy.allCases, [1, 2])
    func decodeOff(policy: SlotPolicy, vcpus: Int) throws {
        let code = Self.guest(vcpus: vcpus) { code in
            code.writeConfiguration(0, Self.moved, at: 4)
            code.readConfiguration(Self.moved, at: 4)
            code.keep(0)
            code.load(Self.base + 0x1000)
            code.keep(1)
            code.store(1, at: Self.base + 0x10)
            code.load(Self.base)
            code.keep(2)
            code.exit(0)
        }
        try Self.forEachCall(atLeast: policy == .separate ? 3 : 4) { call in
            let machine = try Machine(code, vcpus: vcpus, policy)
            guard try machine.run(refusing: call, register: 4) else { return false }
            #expect(Array(machine.machine.results(3).dropFirst()) == [Self.marker, 1], "call \(call)")
            try machine.machine.writeConfiguration(0, of: Self.moved, at: 4, width: .word)
            #expect(machine.machine.mapping(at: GuestAddress(UInt64(Self.base) + 0x1000)) == nil)
            return true
        }
    }

    @Test("decode that cannot be switched on stays off", arguments: SlotPolicy.allCases, [1, 2])
    func decodeOn(policy: SlotPolicy, vcpus: Int) throws {
        let code = Self.guest(vcpus: vcpus, sees: .max) { code in
            code.writeConfiguration(2, Self.moved, at: 4)
            code.readConfiguration(Self.moved, at: 4)
            code.keep(0)
            code.load(Self.base + 0x1000)
            code.keep(1)
            code.load(Self.base)
            code.keep(2)
            code.exit(0)
        }
        try Self.forEachCall(atLeast: policy == .separate ? 3 : 4) { call in
            let machine = try Machine(code, vcpus: vcpus, policy)
            try machine.machine.writeConfiguration(0, of: Self.moved, at: 4, width: .word)
            guard try machine.run(refusing: call, register: 4) else { return false }
            #expect(Array(machine.machine.results(3).dropFirst()) == [.max, .max], "call \(call)")
            try machine.machine.writeConfiguration(2, of: Self.moved, at: 4, width: .word)
            #expect(machine.machine.mapping(at: GuestAddress(UInt64(Self.base) + 0x1000)) != nil)
            return true
        }
    }

    @Test("the PCI test device keeps its event in memory", arguments: [1, 2])
    func testDevice(vcpus: Int) throws {
        let base: UInt32 = 0xd000_3000
        let code = Self.guest(vcpus: vcpus) { code in
            code.storeByte(1, at: base)  // wildcard-eventfd, at offset 0x801
            code.writeConfiguration(Self.target, Self.testDevice, at: 0x10)
            code.readConfiguration(Self.testDevice, at: 0x10)
            code.keep(0)
            code.storeByte(0xce, at: base + 0x801)
            code.load(base + 12)
            code.keep(1)
            code.exit(0)
        }
        for call in [1, 2] {
            let machine = try Machine(code, vcpus: vcpus, .separate)
            try #require(machine.machine.register(0x10, of: Self.testDevice) == UInt64(base))
            // Call 0 is that which takes the event for the first time.
            #expect(try machine.run(refusing: call, register: 0x10, of: Self.testDevice))
            #expect(machine.machine.results(2)[1] == 1)
        }
    }

    @Test("the PCI test device keeps its event among the ports", arguments: [1, 2])
    func testDevicePorts(call: Int) throws {
        let code = GuestCode { code in
            code.outByte(1, 0xc000)  // wildcard-eventfd, at offset 0x84
            code.writeConfiguration(0xd001, Self.testDevice, at: 0x14)
            code.readConfiguration(Self.testDevice, at: 0x14)
            code.keep(0)
            code.outByte(0xce, 0xc084)
            code.inByte(0xc00c)
            code.keep(1)
            code.exit(0)
        }
        let machine = try Machine(code, vcpus: 1, .separate)
        try #require(machine.machine.register(0x14, of: Self.testDevice) == 0xc001)
        #expect(try machine.run(refusing: call, register: 0x14, of: Self.testDevice))
        #expect(machine.machine.results(2)[1] & 0xff == 1)
    }

    @Test("the host's own writes throw and change nothing; a later try succeeds", arguments: SlotPolicy.allCases)
    func host(policy: SlotPolicy) throws {
        let machine = try Machine(GuestCode { $0.exit(0) }, vcpus: 1, policy)
        let (slots, mappings) = (machine.machine.slots, machine.machine.mappings)
        func write() throws(MachineError) {
            try machine.machine.writeConfiguration(UInt64(Self.target), of: Self.moved, at: 0x10, width: .doubleword)
        }
        try Self.forEachCall(atLeast: policy == .separate ? 5 : 8) { call in
            machine.faults.refuse([call])
            do throws(MachineError) {
                try write()
                return false
            } catch {
                #expect(["kernel", "observer"].contains(error.rule))
            }
            #expect(machine.machine.register(0x10, of: Self.moved) == UInt64(Self.base))
            #expect(Array(machine.machine.slots.all) == Array(slots.all))
            #expect(machine.machine.mappings == mappings && machine.observer.mappings == mappings)
            return true
        }
        #expect(machine.machine.register(0x10, of: Self.moved) == UInt64(Self.target))
        #expect(machine.observer.mappings == machine.machine.mappings)
    }
}
