import Devices
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

/// A guest that writes at random: nothing traps, and decoded memory is what the model says.
@Suite struct GuestFuzzTests {
    @Test(arguments: propertySeeds)
    func strictDecodeFollowsTheModel(seed: UInt64) throws {
        try run(seed, .strict, steps: 500_000)
    }

    /// The model of lazy decode has to take every step, and is slow.
    @Test(arguments: propertySeeds)
    func lazyDecodeFollowsTheModel(seed: UInt64) throws {
        try run(seed, .lazy, steps: 60_000)
    }

    private func run(_ seed: UInt64, _ policy: DecodePolicy, steps: Int) throws {
        var guest = try Guest(seed: seed, policy: policy)
        for step in 0..<steps {
            let isChanged = guest.step()
            if isChanged, policy == .lazy {
                guest.model.update(guest.root)
            }
            guard step % 100 == 0 else { continue }
            if policy == .strict {
                guest.model.update(guest.root)
            }
            let regions = guest.root.memory.regions
            let wanted = guest.model.regions.sorted { $0.first < $1.first }
            try #require(regions.map(DecodedMemoryModel.Region.init) == wanted, "seed \(seed), step \(step)")
            try #require(Set(regions) == guest.mirror, "seed \(seed), step \(step)")
        }
        // The walk has to meet what it is there for.
        let met = [guest.changes, guest.hidden, guest.messages, guest.trapped]
        #expect(met.allSatisfy { $0 > steps / 1000 }, "seed \(seed): \(met)")
    }
}

/// Random configuration and trapped accesses to a small bus.
private struct Guest {
    var random: SplitMix64
    var root: RootComplex
    var model: DecodedMemoryModel
    /// What the changes add up to.
    var mirror: Set<DecodedRegion> = []
    var changes = 0
    var hidden = 0
    var messages = 0
    var trapped = 0

    private static let descriptions: [(UInt16, FunctionDescription)] = [
        (0x08, .plain.with { $0.msiVectors = 4 }), (0x20, .rich), (0x21, .full),
        (0x118, .rich.with { $0.romSize = 2048 }),
    ]

    init(seed: UInt64, policy: DecodePolicy) throws {
        random = SplitMix64(seed: seed)
        let reserved = [try range(0, 0x10_0000), try range(0xe001_0000, 0x1000)]
        root = RootComplex(reserved: reserved, policy: policy)
        model = DecodedMemoryModel(policy: policy, reserved: reserved)
        for (id, description) in Self.descriptions {
            try root.insert(description, at: FunctionAddress(requesterID: id))
        }
    }

    /// Whether decoded memory was updated.
    mutating func step() -> Bool {
        switch random.next() % 16 {
        case 0...1: return config(byPort: true)
        case 2...9: return config(byPort: false)
        case 10: return plug()
        default: access()
        }
        return false
    }

    private mutating func config(byPort: Bool) -> Bool {
        let id = Self.descriptions.randomElement(using: &random)?.0 ?? 0
        // Mostly the registers that matter.
        var register: UInt64 = random.next() % 8 == 0 ? random.next() % 0x1000 : 4 + random.next() % 25 * 4
        if random.next() % 8 == 0 { register ^= random.next() % 4 }
        let width: AccessWidth =
            random.next() % 4 == 0 ? AccessWidth.allCases.randomElement(using: &random) ?? .byte : .doubleword
        let value = value(for: register)

        // A change of decode that is refused changes nothing.
        root.agrees = random.next() % 16 != 0
        let write: RootComplex.Write?
        if byPort {
            let selected = 1 << 31 | UInt64(id) << 8 | register & 0xff
            _ = root.writePort(random.next() % 16 == 0 ? value : selected, at: 0, width: .doubleword)
            _ = root.readPort(at: random.next() % 10, width: width)
            write = root.writePort(value, at: 4 + register % 4, width: width)
        } else {
            let offset = random.next() % 64 == 0 ? random.next() : UInt64(id) << 12 | register
            _ = root.readECAM(at: offset, width: width)
            write = root.writeECAM(value, at: offset, width: width)
        }
        messages += write?.outcome.messages.count ?? 0
        guard let change = write?.change else { return false }
        take(change)
        return true
    }

    private mutating func value(for register: UInt64) -> UInt64 {
        switch random.next() % 8 {
        case 0: return .max
        case 1: return random.next()
        case 2: return 0
        default: break
        }
        switch register & ~3 {
        case 0x04: return random.next() % 4 == 0 ? random.next() % 8 : 7
        case 0x14: return random.next() % 2
        case 0x40: return random.next() & 0xc000_0000
        case 0x50: return random.next() & 0x71_0000
        case 0x60: return random.next() % 16
        // Few addresses, so that BARs meet.
        default: return 0xe000_0000 | random.next() % 256 << 12 | random.next() % 2
        }
    }

    /// Resets a function, or takes it off the bus and puts it back.
    private mutating func plug() -> Bool {
        guard random.next() % 64 == 0, let (id, description) = Self.descriptions.randomElement(using: &random) else {
            return false
        }
        let address = FunctionAddress(requesterID: id)
        if root[address] == nil {
            try? root.insert(description, at: address)
            return false
        }
        if root.memory.policy == .strict, random.next() % 2 == 0 {
            take(root.reset(address))
        } else if let change = root.remove(address) {
            take(change)
        }
        return true
    }

    private mutating func access() {
        var address = 0xe000_0000 | random.next() % 0x10_0000 & ~3
        if let region = root.memory.regions.filter({ $0.kind == .trapped }).randomElement(using: &random) {
            // The first vectors, the doorbells, and the rest now and then.
            let places: [UInt64] = [random.next() % 0x40 & ~3, 0x900, 0xc00, random.next() % 0xa00]
            address = region.range.first.rawValue &+ (places.randomElement(using: &random) ?? 0)
        }
        if random.next() % 64 == 0 { address = random.next() }
        let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
        guard let place = root.memory.trapped(at: GuestAddress(address), width: width) else { return }
        trapped += 1
        _ = root.readTrapped(place, width: width)
        let value = random.next() % 8 == 0 ? random.next() : random.next() % 4
        messages += root.writeTrapped(value, place, width: width).messages.count
    }

    private mutating func take(_ change: DecodedMemory.Change) {
        changes += change.isEmpty ? 0 : 1
        hidden += root.memory.hiddenCount > 0 ? 1 : 0
        for region in change.removed where mirror.remove(region) == nil {
            Issue.record("\(region) was removed and not there")
        }
        for region in change.added where !mirror.insert(region).inserted {
            Issue.record("\(region) was added twice")
        }
    }
}
