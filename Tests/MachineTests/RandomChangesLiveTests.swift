import Devices
import Host
import KVM
import Layouts
import LiveSupport
import Memslots
import PCI
import PropertySupport
import Testing

@testable import Machine

/// Host threads that change a machine at random, while its vCPUs use what is changed.
@Suite("Changes at random", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct RandomChangesLiveTests {
    private static let vcpus = 4
    private static let first = FunctionAddress(device: 1)
    private static let second = FunctionAddress(device: 2)
    private static let sender = FunctionAddress(device: 3)
    private static let base: UInt32 = 0xd000_0000
    private static let places = (0..<8).map { GuestRange(at: 0xe800_0000 + UInt64($0) << 12, size: 0x1000) }
    private static let steps = 150
    private static let patience = Duration.seconds(60)

    /// Reads the BARs, which come and go, and writes to an event and to a port.
    private static let code = GuestCode(vcpus: vcpus) { code in
        code.forever {
            $0.load(base)
            $0.store(1, at: base + 0x10)
            $0.load(base + 0x1000)
            $0.load(base + 0x2000)
            $0.load(0xe800_0000)
            $0.outToOwnPort(from: 0x700)
        }
    }

    private func machine(_ policy: SlotPolicy, _ decode: DecodePolicy) throws -> GuestMachine {
        var guest = TinyGuest(
            code: Self.code.bytes, configuration: GuestCode.configuration(vcpus: Self.vcpus, policy: policy))
        var sender = plainFunction().description
        sender.msiVectors = 4
        guest.configuration.functions = [
            Self.first: EventFunction(), Self.second: plainFunction(), Self.sender: DescribedFunction(sender),
        ]
        guest.configuration.decode = decode
        guest.configuration.spareMemory = UInt64(Self.places.count) << 12
        for id in 0..<UInt64(Self.vcpus) {
            guest.configuration.portDevices.append(
                AttachedDevice(CountingDevice(number: id, expected: 0), at: 0x700 + 16 * id, size: 1))
        }
        let machine = try guest.machine()
        // MSI on, two bits of vectors, to the first local APIC; bus master.
        for (register, value) in [(0x54, 0xfee0_0000), (0x58, 0), (0x5c, 0x40), (0x50, 0x21_0000), (4, 6)] {
            try machine.writeConfiguration(
                UInt64(value), of: Self.sender, at: UInt64(register), width: register == 4 ? .word : .doubleword)
        }
        return machine
    }

    /// What a thread does, by its number; a change that cannot be is no failure.
    private static func act(_ machine: GuestMachine, _ number: Int, _ backings: [Backing], _ random: inout SplitMix64) {
        let function = Bool.random(using: &random) ? first : second
        switch number {
        case 0:
            let place = Int.random(in: 0..<places.count, using: &random)
            let mapping = Mapping(range: places[place], backing: backings[place], owner: .other(place))
            if machine.mapping(at: places[place].first) == nil {
                try? machine.changeMemory(adding: [mapping])
            } else {
                try? machine.changeMemory(removing: [places[place]])
            }
        case 1:
            try? machine.writeConfiguration(UInt64.random(in: 0...7, using: &random), of: function, at: 4, width: .word)
        case 2:
            let page = UInt64.random(in: 0...15, using: &random)
            try? machine.writeConfiguration(
                UInt64(base) + page << 12, of: function, at: 0x10, width: .doubleword)
        default:
            try? machine.raise(vector: UInt64.random(in: 0...4, using: &random), of: sender)
            _ = machine.read(count: 8, at: GuestAddress(UInt64(base) + UInt64.random(in: 0..<0x4000, using: &random)))
            _ = machine.register(0x10, of: function)
        }
    }

    @Test(
        "no thread hangs, and slots are those of the mappings", .timeLimit(.minutes(60)),
        arguments: SlotPolicy.allCases, propertySeeds)
    func changes(policy: SlotPolicy, seed: UInt64) throws {
        let machine = try machine(policy, seed % 2 == 0 ? .lazy : .strict)
        let backings = try Self.places.map { _ in try machine.allocate(0x1000) }
        let observer = RecordingObserver()
        _ = try machine.addObserver(observer)
        let running = try machine.start()
        let end = LiveKVM.longRun.map { SuspendingClock.now + $0 }
        let threads = try (0..<4).map { number in
            try HostThread(name: "change\(number)") {
                var random = SplitMix64(seed: seed &+ UInt64(number))
                var step = 0
                while end.map({ SuspendingClock.now < $0 }) ?? (step < Self.steps) {
                    Self.act(machine, number, backings, &random)
                    step += 1
                }
            }
        }
        for thread in threads {
            #expect(thread.join(within: (LiveKVM.longRun ?? .zero) + Self.patience), "seed \(seed)")
        }
        for vcpu in machine.vcpus { #expect(Self.goesOn(vcpu), "seed \(seed): vCPU \(vcpu.cpu.id) was not woken") }
        machine.stop()
        let report = try running.report()
        #expect(report.outcome == .stopped && report.leftBehind.isEmpty, "seed \(seed): \(report.outcome)")
        #expect(report.refusals.count == 0, "seed \(seed)")
        #expect(report.exits.pio > 0)

        let mappings = machine.mappings
        #expect(observer.mappings == mappings, "seed \(seed)")
        let slots = machine.slots.all.map(\.range).sorted { $0.first < $1.first }
        let ranges = mappings.keys.sorted { $0.first < $1.first }
        if policy == .separate { #expect(slots == ranges, "seed \(seed)") }
        #expect(Self.joined(slots) == Self.joined(ranges), "seed \(seed)")
        let decoded = machine.memory.decoded.filter { $0.kind == .mapped }
        for region in decoded { #expect(mappings[region.range] == region.owner.mappingOwner, "seed \(seed)") }
        let others = mappings.values.filter { if case .bar = $0 { false } else { true } }
        #expect(mappings.count == decoded.count + others.count, "seed \(seed)")
    }

    /// Waits until a vCPU makes another exit.
    private static func goesOn(_ vcpu: VCPU) -> Bool {
        let before = vcpu.exits.sum
        let deadline = SuspendingClock.now + patience
        while vcpu.exits.sum == before {
            if SuspendingClock.now > deadline { return false }
            HostThread.sleep(for: .milliseconds(1))
        }
        return true
    }

    /// Ranges by address, neighbours made one.
    private static func joined(_ ranges: [GuestRange]) -> [ClosedRange<UInt64>] {
        ranges.reduce(into: []) { joined, range in
            if let last = joined.last, last.upperBound &+ 1 == range.first.rawValue {
                joined[joined.count - 1] = last.lowerBound...range.last.rawValue
            } else {
                joined.append(range.first.rawValue...range.last.rawValue)
            }
        }
    }
}
