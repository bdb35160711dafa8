import Board
import Devices
import Layouts
import LiveSupport
import Memslots
import PCI
import Testing

@testable import Machine

@Suite("Bridges and segments of a machine", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct BridgeLiveTests {
    /// Three bridges, one behind the other, and two functions behind the last.
    private static let bridges = [0x0010, 0x0100, 0x0200].map { FunctionAddress(requesterID: $0) }
    private static let first = FunctionAddress(requesterID: 0x0300)
    private static let second = FunctionAddress(requesterID: 0x0308)
    private static let base: UInt32 = 0xd000_0000
    private static let marker: UInt32 = 0x600d_f00d
    /// The register of the memory window, from 0xd0000000 and from 0xe0000000 on.
    private static let open: UInt32 = 0xd000_d000
    private static let away: UInt32 = 0xe000_e000

    private static func bridge(_ secondary: UInt8) -> DescribedFunction {
        var description = FunctionDescription(vendorID: 0x1af4, deviceID: 0x10f3, classCode: 0x060400)
        description.bridge = BridgeDescription(secondary: secondary, subordinate: 3)
        return DescribedFunction(description)
    }

    private static func machine(
        _ policy: SlotPolicy = .separate, _ decode: DecodePolicy = .strict, assigned: Bool = true, vcpus: Int = 1,
        _ code: GuestCode
    ) throws -> GuestMachine {
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration(vcpus: vcpus, policy: policy))
        guest.configuration.decode = decode
        guest.configuration.assignsAddresses = assigned
        guest.configuration.functions = [first: EventFunction(), second: plainFunction()]
        for (number, address) in bridges.enumerated() {
            guest.configuration.functions[address] = bridge(UInt8(number + 1))
        }
        let machine = try guest.machine()
        if assigned {
            #expect(
                machine.register(0x10, of: first) == UInt64(base)
                    && machine.register(0x20, of: bridges[0]) == UInt64(open))
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: marker >> ($0 * 8)) }
            #expect(machine.write(bytes, at: GuestAddress(UInt64(base) + 0x1000)))
        }
        return machine
    }

    @Test(
        "a guest finds a function behind three bridges, and moves a bridge's window away and back",
        arguments: SlotPolicy.allCases, DecodePolicy.allCases)
    func windows(policy: SlotPolicy, decode: DecodePolicy) throws {
        for bridge in Self.bridges {
            let code = GuestCode { code in
                code.readConfiguration(Self.second, at: 0)
                code.keep(0)
                for (index, window) in [Self.open, Self.away, Self.open].enumerated() {
                    code.writeConfiguration(window, bridge, at: 0x20)
                    code.load(Self.base + 0x1000)
                    code.keep(UInt32(1 + index))
                    code.store(1, at: Self.base + 0x10)
                }
                code.load(Self.base)
                code.keep(4)
                code.exit(0)
            }
            let machine = try Self.machine(policy, decode, code)
            let (edits, mappings) = (machine.edits, machine.mappings)
            let report = try machine.run(timeout: .seconds(60))
            #expect(report.outcome == .exited(0))
            let seen = decode == .strict ? UInt32.max : Self.marker
            // Of three doorbells, one is rung where nobody is.
            #expect(machine.results(5) == [0x10f2_1af4, Self.marker, seen, Self.marker, 2])
            #expect(machine.mappings == mappings)
            let done = machine.edits - edits
            #expect(decode == .strict ? done.created == done.deleted && done.created > 0 : done == EditCounts())
        }
    }

    @Test("a guest gives buses other numbers: functions are where the bridges lead to")
    func busNumbers() throws {
        let code = GuestCode { code in
            code.readConfiguration(FunctionAddress(requesterID: 0x0100), at: 0)
            code.keep(0)
            // Numbers 5 to 9, then 7 to 9, then 9.
            let places = [Self.bridges[0], FunctionAddress(requesterID: 0x0500), FunctionAddress(requesterID: 0x0700)]
            for (place, numbers) in zip(places, [0x09_0500, 0x09_0705, 0x09_0907] as [UInt32]) {
                code.writeConfiguration(numbers, place, at: 0x18)
            }
            code.readConfiguration(FunctionAddress(requesterID: 0x0908), at: 0)
            code.keep(1)
            // A function is placed there.
            for place in places {
                code.writeConfiguration(Self.open, place, at: 0x20)
                code.writeConfiguration(6, place, at: 4)
            }
            code.writeConfiguration(Self.base, FunctionAddress(requesterID: 0x0908), at: 0x10)
            code.writeConfiguration(2, FunctionAddress(requesterID: 0x0908), at: 4)
            code.store(Self.marker, at: Self.base + 0x10)
            code.load(Self.base + 0x10)
            code.keep(2)
            code.readConfiguration(FunctionAddress(requesterID: 0x0308), at: 0)
            code.keep(3)
            code.exit(0)
        }
        let machine = try Self.machine(assigned: false, code)
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        #expect(machine.results(4) == [.max, 0x10f2_1af4, Self.marker, .max])
        // The host's names stay.
        #expect(machine.register(0x10, of: Self.second) == UInt64(Self.base))
    }

    /// Each call of the change fails once.
    @Test(
        "a window that cannot move stays, and so does one that cannot be opened", arguments: SlotPolicy.allCases,
        [1, 2])
    func refused(policy: SlotPolicy, vcpus: Int) throws {
        for (from, to) in [(Self.open, Self.away), (Self.away, Self.open)] {
            let seen = from == Self.open ? Self.marker : .max
            let body: (inout GuestCode) -> Void = { code in
                code.writeConfiguration(to, Self.bridges[1], at: 0x20)
                code.readConfiguration(Self.bridges[1], at: 0x20)
                code.keep(0)
                code.load(Self.base + 0x1000)
                code.keep(1)
                code.exit(0)
            }
            let code =
                vcpus == 1
                ? GuestCode(body)
                : GuestCode(vcpus: vcpus) { code in
                    code.onVCPU(0, body)
                    code.forever {
                        $0.load(Self.base + 0x1000)
                        $0.unless(seen) { $0.exit(99) }
                    }
                }
            var call = 0
            while true {
                let machine = try Self.machine(policy, vcpus: vcpus, code)
                let observer = RecordingObserver()
                _ = try machine.addObserver(observer, of: nil)
                try machine.writeConfiguration(UInt64(from), of: Self.bridges[1], at: 0x20, width: .doubleword)
                let (slots, mappings) = (machine.slots, machine.mappings)
                let faults = Faults()
                faults.install(in: machine)
                faults.refuse([call])
                let report = try machine.run(timeout: .seconds(60))
                guard report.refusals.count > 0 else { break }
                #expect(report.outcome == .exited(0) && report.refusals.list.first?.function == Self.bridges[1])
                #expect(machine.results(2) == [from, seen], "call \(call)")
                #expect(Array(machine.slots.all) == Array(slots.all) && machine.mappings == mappings)
                #expect(observer.mappings == mappings)
                try machine.writeConfiguration(UInt64(to), of: Self.bridges[1], at: 0x20, width: .doubleword)
                #expect((machine.mapping(at: GuestAddress(UInt64(Self.base) + 0x1000)) == nil) == (to == Self.away))
                call += 1
            }
            // The slots of two functions, and an event.
            #expect(call >= 3)
        }
    }

    @Test("a second segment has configuration space behind the first one's")
    func segments() throws {
        let other = FunctionAddress(requesterID: 0x0108, segment: 1)
        // Four buses: 4 MiB for segment 0.
        let code = GuestCode { code in
            code.load(0xc040_0000 + 1 << 20 + 1 << 15)
            code.keep(0)
            code.load(0xc000_0000 + 1 << 20 + 1 << 15)
            code.keep(1)
            code.load(0xc040_0000 + 1 << 20 + 1 << 15 + 0x10)
            code.keep(2)
            code.exit(0)
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration())
        guest.configuration.functions = [other: plainFunction()]
        guest.configuration.board.buses = 4
        #expect(throws: MachineError.self) { try guest.machine() }
        guest.configuration.board.segments = 2
        let machine = try guest.machine()
        #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        let bar = try #require(
            machine.memory.rows.first { $0.mapping.owner == .bar(segment: 1, function: 0x0108, number: 0) })
        #expect(
            machine.results(3) == [0x10f2_1af4, .max, UInt32(truncatingIfNeeded: bar.mapping.range.first.rawValue)])
    }
}
