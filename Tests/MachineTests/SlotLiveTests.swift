import Devices
import Foundation
import Host
import Layouts
import LiveSupport
import Memslots
import PCI
import Testing
import VFIOUser
import VFIOUserSupport

@testable import Machine

/// Functions in the slots of ports. The host writes the registers of slots as a guest does.
@Suite("Slots of ports in a machine", .serialized, .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct SlotLiveTests {
    private static let port = FunctionAddress(requesterID: 0x10)
    private static let slot = FunctionAddress(requesterID: 0x100)
    private static let beside = FunctionAddress(requesterID: 0x18)
    private static let control: UInt64 = 0x58
    private static let status: UInt64 = 0x5a
    private static let window: UInt64 = 0xd000_0000

    private static func machine(
        occupied: (any FunctionModel)? = nil, _ policy: SlotPolicy = .separate, code: [UInt8] = TinyGuest.exit(0)
    ) throws -> GuestMachine {
        var description = FunctionDescription(vendorID: 0x1af4, deviceID: 0x10f3, classCode: 0x060400)
        description.bridge = BridgeDescription(
            secondary: 1, subordinate: 1, reserve: [.memory: 4 << 20], hasSlot: true)
        description.capabilities = [.port(type: 4, slot: 1)]
        (description.msiVectors, description.msiOffset, description.interruptPin) = (1, 0x80, 1)
        var guest = TinyGuest(code: code, configuration: GuestCode.configuration(vcpus: 2, policy: policy))
        guest.configuration.functions = [port: DescribedFunction(description), beside: plainFunction()]
        guest.configuration.functions[slot] = occupied
        guest.configuration.sharesMemory = true
        return try guest.machine()
    }

    private func status(_ machine: GuestMachine) -> UInt64 {
        machine.readConfiguration(of: Self.port, at: Self.status, width: .word)
    }

    private func setPower(_ isOn: Bool, _ machine: GuestMachine) throws {
        try machine.writeConfiguration(isOn ? 0 : 0x400, of: Self.port, at: Self.control, width: .word)
    }

    private func clear(_ machine: GuestMachine) throws {
        try machine.writeConfiguration(0x119, of: Self.port, at: Self.status, width: .word)
    }

    /// Gives the function in the slot an address, and turns decode on.
    private func enable(_ machine: GuestMachine) throws {
        try machine.writeConfiguration(Self.window, of: Self.slot, at: 0x10, width: .doubleword)
        try machine.writeConfiguration(6, of: Self.slot, at: 4, width: .word)
    }

    @Test("a function that finds no room in the windows of its port comes, and the reason is told")
    func noRoom() throws {
        let machine = try Self.machine()
        let sizes: [(UInt64, String?)] = [
            (4096, nil), (4 << 20, nil), (8 << 20, "8M in the memory window"),
            (1 << 30, "1G in the memory window"),
        ]
        for (size, words) in sizes {
            let lack = try machine.add(plainFunction(size: size), at: Self.slot)
            #expect(
                words.map { "\(lack.map { "\($0)" } ?? "")".contains($0) } ?? (lack == nil),
                "\(size): \(String(describing: lack))")
            #expect(machine.functionStates.contains { $0.function == "\(Self.slot)" })
            try machine.remove(at: Self.slot)
        }
        // Windows that the guest has closed have no room at all.
        try machine.writeConfiguration(0x0000_fff0, of: Self.port, at: 0x20, width: .doubleword)
        let lack = try #require(try machine.add(plainFunction(), at: Self.slot))
        #expect("\(lack)".contains("which has 0 bytes"))
    }

    @Test("a function comes into a slot while another function keeps whoever accesses it")
    func besideStuckFunction() throws {
        let (machine, gate, isAdded) = (try Self.machine(), Gate(), DispatchSemaphore(value: 0))
        defer { gate.open() }
        let cell = try #require(machine.state.withLock { $0.functions[Self.beside] })
        Thread { _ = cell.withFunction { _ in gate.pass() } }.start()
        #expect(gate.waitForVisitor())
        Thread {
            _ = try? machine.add(plainFunction(), at: Self.slot)
            isAdded.signal()
        }.start()
        #expect(isAdded.wait(timeout: .now() + 20) == .success)
        #expect(machine.functions.contains(Self.slot))
    }

    @Test(
        "a function comes without power and addresses, and goes when the guest lets it", arguments: SlotPolicy.allCases)
    func polite(policy: SlotPolicy) throws {
        let machine = try Self.machine(policy)
        let before = machine.held
        for _ in 0..<3 {
            #expect(status(machine) & 0x40 == 0)
            try machine.add(EventFunction(), at: Self.slot)
            #expect(status(machine) & 0x49 == 0x49 && machine.register(0, of: Self.slot) == 0xffff_ffff)
            try enable(machine)
            #expect(machine.mappings.count == before.mappings)
            try clear(machine)
            try setPower(true, machine)
            #expect(status(machine) & 0x158 == 0x150)
            #expect(machine.register(0, of: Self.slot) == 0x10f1_1af4 && machine.register(0x10, of: Self.slot) == 0)
            try enable(machine)
            let page = GuestAddress(Self.window + 0x1000)
            #expect(machine.write([7], at: page) && machine.held.writeEvents == before.writeEvents + 1)
            try clear(machine)
            try machine.requestRemoval(of: Self.slot)
            #expect(status(machine) & 0x149 == 0x41 && machine.read(count: 1, at: page) == [7])
            try setPower(false, machine)
            #expect(status(machine) & 0x148 == 0x108 && machine.held == before)
            #expect(machine.register(0, of: Self.slot) == 0xffff_ffff && !machine.functions.contains(Self.slot))
            try clear(machine)
        }
        #expect(throws: MachineError.self) { try machine.requestRemoval(of: Self.slot) }
    }

    @Test("without power a function keeps its place, and comes back as after reset")
    func powerCycle() throws {
        let machine = try Self.machine(occupied: EventFunction())
        #expect(status(machine) == 0x40 && machine.register(0x10, of: Self.slot) == Self.window)
        let slots = machine.slots.count
        try setPower(false, machine)
        #expect(machine.slots.count == slots - 1 && machine.functions.contains(Self.slot))
        #expect(machine.register(0x10, of: Self.slot) == 0xffff_ffff && status(machine) & 0x148 == 0x140)
        try machine.raise(vector: 0, of: Self.slot)
        try setPower(true, machine)
        #expect(machine.register(0x10, of: Self.slot) == 0 && machine.slots.count == slots - 1)
        try enable(machine)
        #expect(machine.slots.count == slots)
        // Asked for while it has no power, it goes at once.
        try setPower(false, machine)
        try machine.requestRemoval(of: Self.slot)
        #expect(!machine.functions.contains(Self.slot) && status(machine) & 0x41 == 0)
    }

    @Test("a function that is pulled out is gone at once, and so is a device that dies")
    func surprise() throws {
        let machine = try Self.machine()
        let before = machine.held
        try machine.add(plainFunction(), at: Self.slot)
        try setPower(true, machine)
        try enable(machine)
        try clear(machine)
        try machine.remove(at: Self.slot)
        #expect(status(machine) & 0x148 == 0x108 && machine.held == before)
        #expect(machine.read(count: 1, at: GuestAddress(Self.window)) == nil)
        // Power is still on: what comes now has it at once.
        try clear(machine)
        let server = try ScriptedServer()
        try machine.add(DeviceProcess(path: server.path), at: Self.slot)
        #expect(status(machine) & 0x148 == 0x148 && machine.register(0, of: Self.slot) & 0xffff == 0x1af4)
        try clear(machine)
        server.kill()
        let deadline = SuspendingClock.now + .seconds(30)
        while status(machine) & 0x40 != 0 || machine.held != before, deadline > .now {
            HostThread.sleep(for: .milliseconds(1))
        }
        #expect(status(machine) & 0x148 == 0x108 && machine.held == before)
    }

    @Test("if KVM refuses that a function loses its memory, it keeps its power; a later try succeeds")
    func refused() throws {
        let machine = try Self.machine(occupied: EventFunction())
        let faults = Faults()
        faults.install(in: machine)
        let before = machine.held
        var call = 0
        while true {
            faults.refuse([call])
            do throws(MachineError) {
                try machine.writeConfiguration(0x400, of: Self.port, at: Self.control, width: .word)
                break
            } catch {
                #expect(error.rule == "kernel" && machine.held == before, "call \(call)")
                #expect(machine.register(0x10, of: Self.slot) == Self.window && status(machine) & 0x140 == 0x40)
            }
            try setPower(true, machine)
            call += 1
        }
        #expect(call >= 2 && machine.register(0x10, of: Self.slot) == 0xffff_ffff)
    }

    @Test("a slot takes one function, at one address")
    func wrong() throws {
        let machine = try Self.machine()
        func reason(_ change: () throws(MachineError) -> Void) -> HotPlugError? {
            do throws(MachineError) { try change() } catch { if case .hotPlug(_, let reason) = error { return reason } }
            return nil
        }
        func add(at address: FunctionAddress) -> HotPlugError? {
            reason { () throws(MachineError) in try machine.add(plainFunction(), at: address) }
        }
        for address in [0x101, 0x108] as [UInt16] {
            #expect(add(at: FunctionAddress(requesterID: address)) == .notInSlot)
        }
        #expect(reason { () throws(MachineError) in try machine.requestRemoval(of: Self.beside) } == .noSlot)
        #expect(add(at: FunctionAddress(requesterID: 0xffff)) == .noBus)
        #expect(add(at: Self.slot) == nil && add(at: Self.slot) == .taken)
    }

    @Test("the guest `hotplug` puts functions to use by the port's interrupt, gives them back and finds them gone")
    func guest() throws {
        let guest = try #require(BuiltInGuest.named("hotplug"))
        var configuration = guest.configuration
        configuration.add(try #require(Layout.preset("slots-4")))
        let machine = try GuestMachine(configuration, flat: guest.image)
        let running = try machine.start()
        func word(_ offset: UInt64, ofPort port: UInt64) -> UInt32 {
            let bytes = machine.read(count: 4, at: GuestAddress(0x31_0080 + port * 0x80 + offset)) ?? []
            return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        func wait(_ condition: () -> Bool) -> Bool {
            let deadline = SuspendingClock.now + .seconds(30)
            while !condition(), !running.hasEnded, deadline > .now { HostThread.sleep(for: .milliseconds(1)) }
            return condition()
        }
        // The drive in the first slot, and then one in the third.
        #expect(wait { word(4, ofPort: 0) == 1 })
        let third = FunctionAddress(requesterID: 0x300)
        let before = machine.held
        for round in UInt32(1)...3 {
            try machine.add(plainFunction(), at: third)
            #expect(wait { word(8, ofPort: 2) == 2 * round - 1 && word(4, ofPort: 2) == 1 })
            #expect(machine.held.slots == before.slots + 1)
            try machine.requestRemoval(of: third)
            #expect(wait { !machine.functions.contains(third) && word(0xc, ofPort: 2) == round })
            try machine.add(plainFunction(), at: third)
            #expect(wait { word(8, ofPort: 2) == 2 * round && word(4, ofPort: 2) == 1 })
            try machine.remove(at: third)
            #expect(wait { word(0x10, ofPort: 2) == round && word(4, ofPort: 2) == 0 })
            #expect(machine.held == before)
        }
        #expect(word(0x14, ofPort: 2) == 0 && word(4, ofPort: 0) == 1)
        #expect(machine.write([1], at: GuestAddress(0x10_0000)))
        let report = try running.report()
        #expect(report.outcome == .exited(0) && report.refusals.count == 0)
    }
}
