import Devices
import Memslots
import PCI
import PCISupport
import PropertySupport
import Testing

/// A proposal that is withdrawn leaves decoded memory as if it had never been made.
@Suite struct WithdrawalTests {
    private func plain(_ device: UInt8, at base: UInt64, command: UInt64 = 2) throws -> PCIFunction {
        try .make(.plain, at: .at(device), command: command, bases: [.bar(0): base])
    }

    @Test func withdrawnProposalLeavesNothing() throws {
        var memory = DecodedMemory()
        let proposal = try memory.propose(plain(1, at: 0xe000_0000))
        #expect(proposal.change.added.count == 1 && memory.regions.count == 1)
        memory.withdraw(proposal)
        #expect(memory.regions.isEmpty && memory.hiddenCount == 0)
        #expect(try memory.update(plain(1, at: 0xe000_0000)) == proposal.change)
    }

    @Test func regionsThatWereHiddenAreHiddenAgain() throws {
        var memory = DecodedMemory()
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(2, at: 0xe000_0000))
        _ = try memory.update(plain(3, at: 0xe000_0000))
        let before = memory.regions
        let proposal = try memory.propose(plain(1, at: 0xe001_0000))
        #expect(proposal.change.added.count == 2 && memory.hiddenCount == 1)
        memory.withdraw(proposal)
        #expect(memory.regions == before && memory.hiddenCount == 2)
        #expect(try memory.remove(.at(1)).added.map(\.owner.function) == [.at(2)])
    }

    @Test func regionsThatWereOverlaidShowAgain() throws {
        var memory = DecodedMemory()
        _ = try memory.update(plain(2, at: 0xe000_0000))
        let before = memory.regions
        let proposal = try memory.propose(plain(1, at: 0xe000_0000))
        #expect(proposal.change.removed == before && memory.hiddenCount == 1)
        memory.withdraw(proposal)
        #expect(memory.regions == before && memory.hiddenCount == 0)
        #expect(try memory.remove(.at(2)).removed == before)
    }

    /// What a claim of its range would have ended goes on standing.
    @Test func regionThatStoodStandsAgain() throws {
        var memory = DecodedMemory(policy: .lazy)
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(1, at: 0xe000_0000, command: 0))
        let proposal = try memory.propose(plain(2, at: 0xe000_0000))
        #expect(proposal.change.removed.count == 1 && proposal.change.added.count == 1)
        memory.withdraw(proposal)
        #expect(memory.regions.map(\.owner.function) == [try .at(1)])
        #expect(try memory.update(plain(2, at: 0xe000_0000)).removed.map(\.owner.function) == [.at(1)])
        #expect(try memory.remove(.at(2)).added.isEmpty)
    }

    /// A bus on which changes of decode are refused now and then, and beside it a bus that never saw those changes: both show the
    /// same, and what the model of the registers says.
    @Test(arguments: propertySeeds, [DecodePolicy.strict, .lazy])
    func refusedChangesLeaveNoTrace(seed: UInt64, policy: DecodePolicy) throws {
        var random = SplitMix64(seed: seed)
        let reserved = [try range(0xe001_0000, 0x1000)]
        var root = RootComplex(reserved: reserved, policy: policy)
        // What never saw a refused change: the memory of a second bus, that only hears of what was committed.
        var other = DecodedMemory(reserved: reserved, policy: policy)
        var model = DecodedMemoryModel(policy: policy, reserved: reserved)
        let descriptions: [FunctionDescription] = [.plain, .rich, .full]
        let addresses = (0..<24).map { FunctionAddress(requesterID: $0) }
        for address in addresses {
            try root.insert(descriptions[Int(address.requesterID) % 3], at: address)
        }
        var refused = 0
        var hidden = 0
        for step in 0..<1500 {
            let comment: Comment = "seed \(seed), step \(step)"
            guard let address = addresses.randomElement(using: &random) else { return }
            let before = try #require(root[address])
            if random.next() % 64 == 0 {
                let changes = (root.remove(address), other.remove(address))
                try #require(changes.0 == changes.1, comment)
                model.update(root)
                try root.insert(descriptions[Int(address.requesterID) % 3], at: address)
            } else {
                root.agrees = random.next() % 3 != 0
                let (register, value) = Self.write(using: &random)
                let offset = RootComplex.ecamOffset(of: address, register: register)
                let made = root.writeECAM(value, at: offset, width: .doubleword)
                let write = try #require(made)
                let function = try #require(root[address])
                if write.isRefused {
                    refused += 1
                    try #require(Self.registers(function) == Self.registers(before), comment)
                    try #require(function.decodedRegions == before.decodedRegions && write.isEmpty == false, comment)
                } else if let change = write.change {
                    let expected = other.update(function)
                    try #require(change == expected, comment)
                }
            }
            model.update(root)
            try #require(root.memory.regions == other.regions && root.memory.hiddenCount == other.hiddenCount, comment)
            let isRight =
                root.memory.regions.map(DecodedMemoryModel.Region.init) == model.regions.sorted { $0.first < $1.first }
            try #require(isRight, comment)
            try Self.compareLookups(root.memory, other, using: &random, comment)
            hidden = max(hidden, root.memory.hiddenCount)
        }
        #expect(refused > 150 && hidden > 8, "seed \(seed): \(refused) refused, \(hidden) hidden")
    }

    /// A write of the command register, of a BAR or of the ROM's register: few addresses, so that they meet.
    private static func write(using random: inout SplitMix64) -> (register: UInt64, value: UInt64) {
        let registers: [UInt64] = [0x04, 0x10 + random.next() % 6 * 4, 0x10 + random.next() % 6 * 4, 0x30]
        let register = registers.randomElement(using: &random) ?? 0x04
        guard register != 0x04 else { return (register, random.next() % 4 == 0 ? random.next() % 8 : 3) }
        return (register, random.next() % 8 == 0 ? 0 : 0xe000_0000 | (random.next() % 48) << 12 | 1)
    }

    private static func registers(_ function: PCIFunction) -> [UInt64] {
        stride(from: 0, to: 0x50, by: 4).map { function.config.read(at: $0, width: .doubleword) }
    }

    /// Whatever is asked of both, they answer the same.
    private static func compareLookups(
        _ left: DecodedMemory, _ right: DecodedMemory, using random: inout SplitMix64, _ comment: Comment
    ) throws {
        let address = GuestAddress(0xe000_0000 | random.next() % 0x4_0000)
        try #require(left.region(at: address) == right.region(at: address), comment)
        let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
        let place = left.trapped(at: address, width: width)
        try #require(place == right.trapped(at: address, width: width), comment)
        if let place {
            try #require(left.address(of: place) == address && right.address(of: place) == address, comment)
        }
    }

    /// Several proposals, one upon the other, withdrawn from the last to the first.
    @Test(arguments: propertySeeds, [DecodePolicy.strict, .lazy])
    func proposalsAreWithdrawnInReverse(seed: UInt64, policy: DecodePolicy) throws {
        var random = SplitMix64(seed: seed)
        var memory = DecodedMemory(policy: policy)
        let addresses = (0..<12).map { FunctionAddress(requesterID: $0) }
        func function() throws -> PCIFunction {
            let address = addresses.randomElement(using: &random) ?? FunctionAddress(requesterID: 0)
            let description: FunctionDescription = address.requesterID % 2 == 0 ? .plain : .full
            var bases: [BaseAddressRegister: UInt64] = [:]
            for register in description.registers { bases[register] = 0xe000_0000 + (random.next() % 16) << 12 }
            return try .make(description, at: address, command: random.next() % 3 == 0 ? 0 : 2, bases: bases)
        }
        for _ in 0..<400 {
            _ = memory.update(try function())
            var withdrawn = memory
            var proposals: [DecodedMemory.Proposal] = []
            var states: [[DecodedRegion]] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                states.append(withdrawn.regions)
                proposals.append(withdrawn.propose(try function()))
            }
            while let proposal = proposals.popLast() {
                withdrawn.withdraw(proposal)
                try #require(withdrawn.regions == states.removeLast(), "seed \(seed)")
            }
            // And from then on it is as good as the one that saw nothing.
            var untouched = memory
            for _ in 0..<6 {
                let next = try function()
                let changes = (withdrawn.update(next), untouched.update(next))
                try #require(changes.0 == changes.1, "seed \(seed)")
                try #require(withdrawn.hiddenCount == untouched.hiddenCount, "seed \(seed)")
            }
            memory = untouched
        }
    }
}
