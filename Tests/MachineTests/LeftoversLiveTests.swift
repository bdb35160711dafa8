import Devices
import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

@Suite("What a refusal leaves behind", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct LeftoversLiveTests {
    private static let owner = FunctionAddress(device: 1)
    private static let other = FunctionAddress(device: 2)

    /// A register that KVM takes writes to, in the first page of BAR 0. A write of configuration space at 0x44 makes the model ask
    /// for two events that contradict each other. A read of it gives the writes that the model saw, and above them those that KVM
    /// counted.
    private struct Fickle: FunctionModel {
        private(set) var events = [FunctionEvent(register: .bar(0), offset: 0, size: 4)]
        private var seen: UInt64 = 0
        private var counted: UInt64 = 0

        let description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f5,
            bars: [0: BARDescription(kind: .memory32, size: 0x1000, registers: [0..<0x1000])],
            capabilities: [
                CapabilityDescription(id: 9, offset: 0x60, body: Array(repeating: 0, count: 10), isOwn: true)
            ])

        func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 { counted << 16 | seen }

        mutating func writeConfiguration(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> FunctionEffects {
            let event = FunctionEvent(register: .bar(0), offset: 0x40 + value * 8, size: 4)
            events = [event, FunctionEvent(register: .bar(0), offset: event.offset, size: 4, match: 1)]
            return FunctionEffects(changesEvents: true)
        }

        mutating func write(
            _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
        ) -> FunctionEffects {
            seen += 1
            return .none
        }

        mutating func add(count: UInt64, of event: FunctionEvent) { counted += count }
    }

    private func machine(_ code: GuestCode, owner: any FunctionModel) throws -> GuestMachine {
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [Self.owner: owner, Self.other: plainFunction()]
        return try guest.machine()
    }

    @Test("the memory of a lost function goes as soon as nobody refuses that any more")
    func ghost() throws {
        let machine = try machine(GuestCode { $0.exit(0) }, owner: plainFunction())
        let (bar, before) = (machine.register(0x10, of: Self.owner), machine.slots.count)
        let (first, second) = (Faults(), Faults())
        let observers = [RecordingObserver(first), RecordingObserver(second)]
        _ = try machine.addObserver(observers[0], of: Self.owner)
        _ = try machine.addObserver(observers[1])
        // The second refuses to let the mapping go, the first to take it back; then the second refuses once more.
        first.refuse([1])
        second.refuse([0, 1])
        #expect(throws: MachineError.self) {
            try machine.writeConfiguration(0, of: Self.owner, at: 4, width: .word)
        }
        #expect(machine.register(0, of: Self.owner) == 0xffff_ffff)
        #expect(machine.slots.count == before)
        // The next change takes it away, and comes into its place.
        try machine.writeConfiguration(bar, of: Self.other, at: 0x10, width: .doubleword)
        #expect(machine.mapping(at: GuestAddress(bar))?.owner == .bar(function: Self.other.requesterID, number: 0))
        #expect(machine.slots.count == before - 1)
        #expect(observers[1].mappings == machine.mappings)
    }

    @Test("where new events are refused, KVM takes no writes for the model's former ones")
    func stale() throws {
        let base: UInt32 = 0xd000_0000
        let code = GuestCode { code in
            for _ in 0..<5 { code.store(7, at: base) }
            code.exit(0)
        }
        let machine = try machine(code, owner: Fickle())
        #expect(machine.register(0x10, of: Self.owner) == UInt64(base))
        #expect(throws: MachineError.self) {
            try machine.writeConfiguration(0, of: Self.owner, at: 0x64, width: .doubleword)
        }
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.register(0x64, of: Self.owner) == 5)
    }

    @Test("refused events keep no descriptors")
    func descriptors() throws {
        let machine = try machine(GuestCode { $0.exit(0) }, owner: Fickle())
        for round in 0..<20 as Range<UInt64> {
            #expect(throws: MachineError.self) {
                try machine.writeConfiguration(round, of: Self.owner, at: 0x64, width: .doubleword)
            }
            #expect(machine.state.withLock { $0.memory.installer.events.count } <= 1)
        }
    }

    @Test("memory of an odd size is followed by memory at a page")
    func allocation() throws {
        var configuration = MachineConfiguration(spareMemory: 4 * Page.size)
        configuration.functions = [:]
        let machine = try GuestMachine(configuration, flat: [0xf4])
        let offsets = try [100, Page.size, Page.size + 1].map { try machine.allocate($0).offset }
        #expect(offsets == [0, Page.size, 2 * Page.size])
        #expect(throws: MachineError.self) { try machine.allocate(1) }
    }
}
