import Devices
import Dispatch
import Host
import Layouts
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

@Suite("Observers of a machine's memory", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct ObserverLiveTests {
    private static let owner = FunctionAddress(device: 1)
    private static let other = FunctionAddress(device: 2)
    private static let base: UInt32 = 0xd000_0000
    private static let otherBase: UInt32 = 0xd000_2000
    private static let target: UInt32 = 0xe000_0000

    private func machine(_ code: GuestCode, _ policy: SlotPolicy = .separate) throws -> GuestMachine {
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration(policy: policy))
        guest.configuration.functions = [Self.owner: EventFunction(), Self.other: plainFunction()]
        return try guest.machine()
    }

    @Test("see RAM and BARs, wherever a guest moves them", arguments: SlotPolicy.allCases)
    func follow(policy: SlotPolicy) throws {
        let code = GuestCode { code in
            code.writeConfiguration(Self.target, Self.owner, at: 0x10)
            code.writeConfiguration(0, Self.other, at: 4)
            code.writeConfiguration(Self.target + 0x8000, Self.other, at: 0x10)
            code.writeConfiguration(2, Self.other, at: 4)
            code.writeConfiguration(0, Self.owner, at: 4)
            code.exit(0)
        }
        let machine = try machine(code, policy)
        let observer = RecordingObserver()
        let id = try machine.addObserver(observer)
        #expect(observer.mappings == machine.mappings && observer.mappings.values.contains(.ram))
        #expect(observer.mappings.count == 3)
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(observer.mappings == machine.mappings)
        let moved = GuestRange(at: UInt64(Self.target) + 0x8000, size: 0x1000)
        #expect(observer.mappings[moved] == .bar(function: Self.other.requesterID, number: 0))
        #expect(observer.mappings.count == 2)
        try machine.removeObserver(id)
        #expect(observer.mappings.isEmpty)
    }

    /// Moves the owner's BAR, which is refused, looks at the owner, then moves the other function's BAR and looks at that.
    private static let mover = GuestCode { code in
        code.writeConfiguration(target, owner, at: 0x10)
        code.readConfiguration(owner, at: 0x10)
        code.keep(0)
        code.load(base)
        code.keep(1)
        code.load(base + 0x1000)
        code.keep(2)
        code.store(0x1234, at: otherBase)
        code.writeConfiguration(target, other, at: 0x10)
        code.load(target)
        code.keep(3)
        code.exit(0)
    }

    @Test("refuse a change by throwing")
    func refuse() throws {
        let machine = try machine(Self.mover)
        let faults = Faults()
        let observer = RecordingObserver(faults)
        _ = try machine.addObserver(observer, of: Self.owner)
        faults.refuse([1])
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(report.refusals.list.map(\.rule) == ["observer"])
        #expect(machine.results(4) == [Self.base, 0, 0, 0x1234])
        #expect(observer.mappings == machine.mappings)
    }

    @Test("are lost where they cannot undo, and their function with them; the rest of the machine goes on")
    func lose() throws {
        let machine = try machine(Self.mover)
        let faults = Faults()
        let observer = RecordingObserver(faults)
        let witness = RecordingObserver()
        _ = try machine.addObserver(observer, of: Self.owner)
        _ = try machine.addObserver(witness)
        faults.install(in: machine)
        // The event and the observer's mapping have gone when the slot does not move. The observer does not take its mapping back.
        faults.refuse([2, 3])
        let report = try machine.run(timeout: .seconds(60))
        #expect(report.outcome == .exited(0))
        #expect(report.refusals.list.map(\.rule) == ["kernel"])
        #expect(machine.results(4) == [.max, .max, .max, 0x1234])

        #expect(machine.register(0, of: Self.owner) == 0xffff_ffff)
        #expect(!machine.mappings.values.contains(.bar(function: Self.owner.requesterID, number: 0)))
        #expect(witness.mappings == machine.mappings)
        // It heard of the removal at the beginning, and of nothing since.
        let stale = GuestRange(at: UInt64(Self.otherBase), size: 0x1000)
        #expect(observer.mappings[stale] == .bar(function: Self.other.requesterID, number: 0))
        // Writes to a function that is lost are dropped.
        try machine.writeConfiguration(2, of: Self.owner, at: 4, width: .word)
        #expect(machine.mapping(at: GuestAddress(UInt64(Self.base) + 0x1000)) == nil)
        #expect(machine.register(0x10, of: Self.other) == UInt64(Self.target))
    }

    @Test("that keep what they were shown first end their function as well")
    func loseAtFirst() throws {
        let machine = try machine(Self.mover)
        let faults = Faults()
        // The second mapping is refused, and the first one not forgotten.
        faults.refuse([1, 2])
        #expect(throws: MachineError.self) {
            try machine.addObserver(RecordingObserver(faults), of: Self.owner)
        }
        #expect(machine.register(0, of: Self.owner) == 0xffff_ffff)
        #expect(machine.register(0, of: Self.other) != 0xffff_ffff)
        #expect(machine.mappings.count == 2)
    }

    @Test("that are lost by a change of the host's own end their function, and the host is told")
    func loseByHost() throws {
        let machine = try machine(Self.mover)
        let faults = Faults()
        _ = try machine.addObserver(RecordingObserver(faults), of: Self.owner)
        faults.install(in: machine)
        // Deletion fails behind the observer's removal.
        faults.refuse([1, 2])
        let error = #expect(throws: MachineError.self) {
            try machine.writeConfiguration(0, of: Self.other, at: 4, width: .word)
        }
        guard case .memory(.transaction(let failed)) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(failed.lost.count == 1)
        #expect(machine.register(4, of: Self.other) & 2 == 2)
        #expect(machine.register(0, of: Self.owner) == 0xffff_ffff)
    }

    @Test("a write that waits for a function that is lost meanwhile is dropped", .timeLimit(.minutes(1)))
    func loseWhileWaiting() throws {
        let gate = Gate()
        let slow = Self.owner
        let code = GuestCode { code in
            code.load(Self.base)
            code.keep(0)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [slow: GateFunction(gate: gate), Self.other: plainFunction()]
        let machine = try guest.machine()
        let faults = Faults()
        _ = try machine.addObserver(RecordingObserver(faults), of: slow)
        let running = try machine.start()
        #expect(gate.waitForVisitor())

        let isWriting = DispatchSemaphore(value: 0)
        let writer = try HostThread(name: "writer") {
            isWriting.signal()
            try? machine.writeConfiguration(UInt64(Self.target), of: slow, at: 0x10, width: .doubleword)
        }
        isWriting.wait()
        faults.install(in: machine)
        faults.refuse([1, 2])
        #expect(throws: MachineError.self) {
            try machine.writeConfiguration(0, of: Self.other, at: 4, width: .word)
        }
        gate.open()
        #expect(writer.join(within: .seconds(30)))
        #expect(try running.report().outcome == .exited(0))
        #expect(machine.register(0, of: slow) == 0xffff_ffff)
        #expect(machine.memory.decoded.allSatisfy { $0.owner.function == Self.other })
    }
}
