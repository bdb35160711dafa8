import Devices
import Memslots
import PCI
import PCISupport
import Testing

/// Mapped regions stand while decode is off.
@Suite struct LazyDecodeTests {
    private var memory = DecodedMemory(policy: .lazy)

    private func plain(_ device: UInt8, at base: UInt64, command: UInt64 = 2) throws -> PCIFunction {
        try .make(.plain, at: .at(device), command: command, bases: [.bar(0): base])
    }

    private var shown: [String] { memory.regions.map { "\($0.owner.function.device) \($0.range.first)" } }

    @Test mutating func sizingWithDecodeOffChangesNothing() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        #expect(try memory.update(plain(1, at: 0xe000_0000, command: 0)).isEmpty)
        #expect(try memory.update(plain(1, at: 0xffff_ffff, command: 0)).isEmpty)
        #expect(try memory.update(plain(1, at: 0xe000_0000, command: 0)).isEmpty)
        #expect(try memory.update(plain(1, at: 0xe000_0000)).isEmpty)
        #expect(shown == ["1 0xe0000000"])
    }

    @Test mutating func decodeOnElsewhereMoves() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(1, at: 0xe000_0000, command: 0))
        let change = try memory.update(plain(1, at: 0xe000_8000))
        #expect(change.removed.count == 1 && change.added.count == 1)
        #expect(shown == ["1 0xe0008000"])
    }

    @Test mutating func decodeOnBeyond52BitsEndsTheStanding() throws {
        let wide = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 0x4000) }
        func function(_ base: UInt64, _ command: UInt64) throws -> PCIFunction {
            try .make(wide, at: .at(1), command: command, bases: [.bar(0): base])
        }
        _ = try memory.update(function(1 << 40, 2))
        _ = try memory.update(function(1 << 40, 0))
        #expect(try memory.update(function(1 << 60, 2)).removed.count == 1)
    }

    @Test mutating func enabledRegionClaimsTheRangeForGood() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(1, at: 0xe000_0000, command: 0))
        let change = try memory.update(plain(2, at: 0xe000_0000))
        #expect(change.removed.map(\.owner.function) == [try .at(1)])
        #expect(change.added.map(\.owner.function) == [try .at(2)])
        #expect(memory.hiddenCount == 0)
        #expect(try memory.update(plain(2, at: 0xe000_0000, command: 0)).isEmpty)
        #expect(shown == ["2 0xe0000000"])
        #expect(try memory.remove(.at(2)).added.isEmpty)
    }

    @Test mutating func trappedRegionsAnswerNobodyWhileDecodeIsOff() throws {
        let bases: [BaseAddressRegister: UInt64] = [
            .bar(0): 1 << 32, .bar(3): 0xf000_0000, .bar(4): 0xf100_0000, .bar(5): 0xe000_0000,
        ]
        _ = try memory.update(.make(.rich, at: .at(1), command: 2, bases: bases))
        let off = try memory.update(.make(.rich, at: .at(1), bases: bases))
        #expect(off.removed.map(\.kind) == [.trapped, .trapped] && off.added.isEmpty)
        #expect(memory.trapped(at: GuestAddress(0xe000_1000), width: .doubleword) == nil)
        let on = try memory.update(.make(.rich, at: .at(1), command: 2, bases: bases))
        #expect(on.added == off.removed && on.removed.isEmpty)
    }

    @Test mutating func romStandsWithItsEnableBitOff() throws {
        var function = try PCIFunction.make(.rich, at: .at(1), command: 2, bases: [.bar(0): 1 << 32])
        function.writeSettled(0xfeb0_0001, at: 0x30, width: .doubleword)
        _ = memory.update(function)
        function.writeSettled(0xfffe_0000, at: 0x30, width: .doubleword)
        #expect(memory.update(function).isEmpty)
        #expect(memory.region(at: GuestAddress(0xfeb0_0000))?.owner.register == .rom)
        function.writeSettled(0xfea0_0001, at: 0x30, width: .doubleword)
        #expect(memory.update(function).removed.map(\.range.first.rawValue) == [0xfeb0_0000])
    }

    @Test mutating func hiddenRegionDoesNotStand() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        _ = try memory.update(plain(2, at: 0xe000_0000))
        _ = try memory.update(plain(2, at: 0xe000_0000, command: 0))
        #expect(try memory.remove(.at(1)).added.isEmpty)
        #expect(shown.isEmpty)
    }

    @Test mutating func movesWhileDecodeIsOnAreDoneAtOnce() throws {
        _ = try memory.update(plain(1, at: 0xe000_0000))
        #expect(try memory.update(plain(1, at: 0xe000_4000)).removed.count == 1)
    }
}
