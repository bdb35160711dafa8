import Devices
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

@Suite struct DecodedMemoryTests {
    private var memory = DecodedMemory()

    /// A function with 16 KiB at `base`.
    private func plain(_ device: UInt8, at base: UInt64, command: UInt64 = 2) throws -> PCIFunction {
        try .make(.plain, at: .at(device), command: command, bases: [.bar(0): base])
    }

    private var shown: [String] { memory.regions.map { "\($0.owner.function.device) \($0.range.first)" } }

    @Test mutating func decodeOnAddsAndOffRemoves() throws {
        let change = try memory.update(plain(1, at: 0xe000_0000))
        #expect(change.added.map(\.range) == [try range(0xe000_0000, 0x4000)])
        #expect(change.removed.isEmpty)
        let off = try memory.update(plain(1, at: 0xe000_0000, command: 0))
        #expect(off.removed == change.added && off.added.isEmpty)
        #expect(memory.regions.isEmpty)
    }

    @Test mutating func updateWithoutAChangeIsEmpty() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        #expect(try memory.update(plain(1, at: 0xe000_0000)).isEmpty)
    }

    @Test mutating func moveIsRemovalAndAddition() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        let change = try memory.update(plain(1, at: 0xe001_0000))
        #expect(change.removed.map(\.range.first.rawValue) == [0xe000_0000])
        #expect(change.added.map(\.range.first.rawValue) == [0xe001_0000])
    }

    @Test mutating func reservedRangesWinOverAll() throws {
        memory = DecodedMemory(reserved: [try range(0, 0x10_0000)])
        #expect(try memory.update(plain(1, at: 0)).isEmpty)
        #expect(try memory.update(plain(1, at: 0xf_c000)).isEmpty)
        #expect(try memory.update(plain(1, at: 0x10_0000)).added.count == 1)
        #expect(memory.hiddenCount == 0)
    }

    @Test mutating func lowerFunctionWinsWhoeverCameFirst() throws {
        _ = try memory.update(plain(2, at: 0xe000_0000))
        let change = try memory.update(plain(1, at: 0xe000_0000))
        #expect(change.removed.map(\.owner.function) == [try .at(2)])
        #expect(change.added.map(\.owner.function) == [try .at(1)])
        #expect(memory.hiddenCount == 1)
        #expect(try memory.update(plain(3, at: 0xe000_0000)).isEmpty)
        #expect(shown == ["1 0xe0000000"])
    }

    @Test mutating func hiddenRegionAppearsOnceTheWayIsFree() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(2, at: 0xe000_0000))
        let change = try memory.update(plain(1, at: 0xe001_0000))
        #expect(shown == ["2 0xe0000000", "1 0xe0010000"])
        #expect(change.added.count == 2 && change.removed.count == 1)
        #expect(memory.hiddenCount == 0)
    }

    @Test mutating func lowerBARWinsInsideAFunctionAndTheROMLoses() throws {
        let base: UInt64 = 0xe000_0000
        var function = try PCIFunction.make(
            .rich, at: .at(1), command: 2, bases: [.bar(0): base, .bar(4): base, .bar(5): base + 0x10_0000])
        function.writeSettled(base + 0x10_0001, at: 0x30, width: .doubleword)
        _ = memory.update(function)
        #expect(
            memory.regions.map { "\($0.owner.register)" } == ["BAR 3", "BAR 0", "BAR 5", "BAR 5", "BAR 5"])
        #expect(memory.hiddenCount == 2)
    }

    @Test mutating func removedFunctionLeavesNothing() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(2, at: 0xe000_0000))
        let change = try memory.remove(.at(1))
        #expect(change.removed.count == 1 && change.added.count == 1)
        #expect(shown == ["2 0xe0000000"])
        #expect(try memory.remove(.at(1)).isEmpty)
    }

    @Test mutating func trappedAccessFindsItsPlace() throws {
        let function = try PCIFunction.make(
            .rich, at: .at(1), command: 2,
            bases: [.bar(0): 1 << 32, .bar(3): 0xf000_0100, .bar(4): 0xf100_0000, .bar(5): 0xe000_0000])
        _ = memory.update(function)
        func place(_ address: UInt64, _ width: AccessWidth) -> TrappedPlace? {
            memory.trapped(at: GuestAddress(address), width: width)
        }
        let wide = BAROwner(function: function.address, register: .bar(5))
        #expect(place(0xe000_1000, .quadword) == TrappedPlace(owner: wide, offset: 0x1000))
        #expect(place(0xe000_1fff, .byte) == TrappedPlace(owner: wide, offset: 0x1fff))
        #expect(place(0xe000_1fff, .word) == nil)
        #expect(place(0xe000_0ffc, .quadword) == nil)
        #expect(place(0xe000_0000, .byte) == nil)
        #expect(place(0xf000_01fc, .doubleword)?.offset == 0xfc)
        #expect(place(0xf000_01fe, .doubleword) == nil)
        #expect(place(0xf000_00ff, .byte) == nil)
        #expect(place(.max, .quadword) == nil)
        #expect(memory.region(at: GuestAddress(0xe000_0000))?.kind == .mapped)
        #expect(memory.region(at: GuestAddress(0xe000_4000)) == nil)
    }

    /// Many functions at few places: each change lets others appear, which hide others in turn.
    @Test(arguments: propertySeeds, [DecodePolicy.strict, .lazy])
    mutating func manyOnEachOtherFollowTheModel(seed: UInt64, policy: DecodePolicy) throws {
        var random = SplitMix64(seed: seed)
        var root = RootComplex(policy: policy)
        var model = DecodedMemoryModel(policy: policy, reserved: [])
        let descriptions: [FunctionDescription] = [.plain, .rich, .full]
        let addresses = (0..<36).map { FunctionAddress(requesterID: $0) }
        for address in addresses {
            try root.insert(descriptions[Int(address.requesterID) % 3], at: address)
        }
        var hidden = 0
        for step in 0..<1500 {
            guard let address = addresses.randomElement(using: &random) else { return }
            if random.next() % 32 == 0 {
                root.remove(address)
                model.update(root)
                try root.insert(descriptions[Int(address.requesterID) % 3], at: address)
            } else {
                // The command, a BAR or the ROM.
                let registers: [UInt64] = [0x04, 0x10 + random.next() % 6 * 4, 0x30]
                let register = registers.randomElement(using: &random) ?? 0x04
                let place = 0xe000_0000 | random.next() % 64 << 12 | 1
                let command: UInt64 = random.next() % 4 == 0 ? 0 : 2
                let value = register == 0x04 ? command : random.next() % 8 == 0 ? 0 : place
                let offset = RootComplex.ecamOffset(of: address, register: register)
                _ = root.writeECAM(value, at: offset, width: .doubleword)
            }
            model.update(root)
            let found = root.memory.regions.map(DecodedMemoryModel.Region.init)
            let isRight = found == model.regions.sorted { $0.first < $1.first }
            try #require(isRight, "seed \(seed), step \(step)")
            hidden = max(hidden, root.memory.hiddenCount)
        }
        #expect(hidden > 16, "seed \(seed)")
    }

    @Test mutating func manyFunctionsComeAndGo() throws {
        var random = SplitMix64(seed: 5)
        let addresses = (0..<2000).map { FunctionAddress(requesterID: $0) }
        for (index, address) in addresses.enumerated().shuffled(using: &random) {
            let function = try PCIFunction.make(
                .plain, at: address, command: 2, bases: [.bar(0): 0x8000_0000 + 0x4000 * UInt64(index)])
            #expect(memory.update(function).added.count == 1)
        }
        #expect(memory.regions.map(\.owner.function) == addresses)
        for address in addresses.shuffled(using: &random) {
            #expect(memory.remove(address).removed.map(\.owner.function) == [address])
        }
        #expect(memory.regions.isEmpty)
    }
}
