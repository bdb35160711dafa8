import Devices
import Host
import Layouts
import LiveSupport
import Memslots
import PCI
import PropertySupport
import Testing

@testable import Machine

/// Two machines get the same writes at random. In one of them each write may meet a call that fails, and is made again.
@Suite("Refusals at random", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RandomRefusalsLiveTests {
    private static let functions: [FunctionAddress: any FunctionModel] = [
        FunctionAddress(device: 1): EventFunction(), FunctionAddress(device: 2): plainFunction(),
        FunctionAddress(device: 3): plainFunction(size: 0x4000), FunctionAddress(device: 4): PCITestDevice(),
        FunctionAddress(device: 5): EventFunction(),
    ]

    /// All that a refused change has to leave as it was.
    private struct State: Equatable {
        let registers: [UInt64]
        let mappings: [GuestRange: MappingOwner]
        let decoded: [DecodedRegion]
        let ports: [Range<UInt64>]

        init(_ machine: GuestMachine) {
            registers = functions.keys.sorted().flatMap { function in
                [4, 0x10, 0x14].map { machine.register($0, of: function) }
            }
            mappings = machine.mappings
            decoded = machine.memory.decoded
            ports = machine.state.withLock { $0.ports.regions.map(\.ports) }
        }
    }

    private struct Write {
        let function: FunctionAddress
        let register: UInt64
        let value: UInt64

        /// BARs get addresses at which they meet each other.
        init(_ random: inout SplitMix64) {
            function = FunctionAddress(device: UInt8.random(in: 1...5, using: &random))
            register = [4, 0x10, 0x10, 0x14].randomElement(using: &random) ?? 4
            value =
                switch register {
                case 4: UInt64.random(in: 0...3, using: &random)
                case 0x10: 0xd000_0000 + UInt64.random(in: 0..<16, using: &random) << 12
                default: 0xc000 + UInt64.random(in: 0..<4, using: &random) << 8
                }
        }

        func apply(to machine: GuestMachine) throws(MachineError) {
            try machine.writeConfiguration(
                value, of: function, at: register, width: register == 4 ? .word : .doubleword)
        }
    }

    private func machine(_ policy: SlotPolicy, _ decode: DecodePolicy) throws -> GuestMachine {
        var guest = TinyGuest(code: TinyGuest.exit(0), configuration: GuestCode.configuration(policy: policy))
        guest.configuration.functions = Self.functions
        guest.configuration.decode = decode
        return try guest.machine()
    }

    @Test("leave no trace", arguments: SlotPolicy.allCases, propertySeeds)
    func noTrace(policy: SlotPolicy, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for decode in DecodePolicy.allCases {
            let (machine, twin) = (try machine(policy, decode), try machine(policy, decode))
            let faults = Faults()
            let observer = RecordingObserver(faults)
            _ = try machine.addObserver(observer)
            faults.install(in: machine)
            var refusals = 0
            for step in 0..<200 {
                let write = Write(&random)
                let (before, slots) = (State(machine), Array(machine.slots.all))
                faults.refuse([Int.random(in: 0..<8, using: &random)])
                do throws(MachineError) {
                    try write.apply(to: machine)
                } catch {
                    refusals += 1
                    #expect(["kernel", "observer"].contains(error.rule), "seed \(seed), step \(step): \(error)")
                    #expect(State(machine) == before, "seed \(seed), step \(step)")
                    #expect(Array(machine.slots.all) == slots, "seed \(seed), step \(step)")
                    faults.refuse([])
                    try write.apply(to: machine)
                }
                try write.apply(to: twin)
                try #require(State(machine) == State(twin), "seed \(seed), step \(step)")
                #expect(Self.ranges(machine) == Self.ranges(twin), "seed \(seed), step \(step)")
                #expect(observer.mappings == machine.mappings, "seed \(seed), step \(step)")
            }
            #expect(refusals > 5, "seed \(seed)")
            #expect(try machine.run(timeout: .seconds(60)).outcome == .exited(0))
        }
    }

    /// The slots may have other numbers.
    private static func ranges(_ machine: GuestMachine) -> [GuestRange] {
        machine.slots.all.map(\.range).sorted { $0.first < $1.first }
    }
}
