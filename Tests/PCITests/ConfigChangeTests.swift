import Devices
import PCI
import PCISupport
import Testing

/// Which configuration writes are done at once, and which are proposed because they change what is decoded.
@Suite struct ConfigChangeTests {
    private var function: PCIFunction

    init() throws {
        function = try PCIFunction(.rich, at: .at(4))
    }

    private func read(_ offset: UInt64) -> UInt64 {
        function.peek(at: offset, width: .doubleword)
    }

    private mutating func write(_ value: UInt64, at offset: UInt64) -> ConfigWrite {
        function.write(value, at: offset, width: .doubleword)
    }

    /// Writes a register, which has to be proposed: whether memory is affected, or only ports. Until the commit the function is as
    /// before, and then the register has its new value.
    private mutating func propose(_ value: UInt64, at offset: UInt64) throws -> Bool {
        let before = (registers: registers, regions: function.decodedRegions)
        let proposal = try #require(write(value, at: offset).proposal)
        #expect(registers == before.registers && function.decodedRegions == before.regions)
        #expect(function.commit(proposal).asksForNothing)
        #expect(registers != before.registers)
        #expect(registers == proposal.function.registers)
        #expect(function.decodedRegions == proposal.function.decodedRegions)
        return proposal.affectsMemory
    }

    private var registers: [UInt64] { function.registers }

    @Test mutating func writingTheSameChangesNothing() throws {
        #expect(try propose(2, at: 0x04))
        let before = registers
        #expect(write(2, at: 0x04).isEmpty)
        #expect(write(0x1234_5678, at: 0x00).isEmpty)
        #expect(registers == before)
    }

    @Test mutating func changesOfDecodeAreProposed() throws {
        #expect(try propose(0x0003, at: 0x04))
        #expect(function.decodesMemory && function.decodesPorts && !function.isBusMaster)
        #expect(try propose(0x0005, at: 0x04))
        #expect(!function.decodesMemory && function.decodesPorts && function.isBusMaster)
        #expect(try !propose(0x0000, at: 0x04))
        #expect(!function.decodesMemory && !function.decodesPorts && !function.isBusMaster)
    }

    @Test mutating func busMasterAloneIsDoneAtOnce() {
        #expect(write(0x0004, at: 0x04).isEmpty)
        #expect(function.isBusMaster)
    }

    /// What is not committed leaves nothing behind, not even the bits of the register that decode nothing.
    @Test mutating func proposalThatIsDroppedChangesNothing() {
        let before = registers
        #expect(write(0x0407, at: 0x04).proposal != nil)
        #expect(registers == before && function.decodedRegions.isEmpty && !function.isBusMaster)
        #expect(write(0x0407, at: 0x04).proposal?.function.isBusMaster == true)
    }

    @Test mutating func barsMoveAtOnceWhileDecodeIsOff() {
        #expect(write(0xe000_0000, at: 0x24).isEmpty)
        #expect(write(0x40, at: 0x14).isEmpty)
        #expect(write(0xc000, at: 0x18).isEmpty)
        #expect(write(0xfeb0_0000, at: 0x30).isEmpty)
        #expect(function.base(of: .bar(5)) == 0xe000_0000)
        #expect(function.base(of: .bar(0)) == 0x40 << 32)
        #expect(function.base(of: .bar(2)) == 0xc000)
        #expect(function.base(of: .rom) == 0xfeb0_0000)
    }

    @Test mutating func movesAreProposedWhileDecodeIsOn() throws {
        #expect(write(0xe000_0000, at: 0x24).isEmpty)
        #expect(try propose(3, at: 0x04))
        #expect(try propose(0xf000_0000, at: 0x24))
        #expect(try propose(0x40, at: 0x14))
        #expect(try !propose(0xc000, at: 0x18))
        #expect(try propose(1, at: 0x04))
        #expect(write(0xe000_0000, at: 0x24).isEmpty)
        #expect(try !propose(0xd000, at: 0x18))
    }

    @Test mutating func romMattersWhileEnabled() throws {
        #expect(try propose(2, at: 0x04))
        #expect(write(0xfeb0_0000, at: 0x30).isEmpty)
        #expect(try propose(0xfeb0_0001, at: 0x30))
        #expect(function.isROMEnabled && function.base(of: .rom) == 0xfeb0_0000)
        #expect(try propose(0xfea0_0001, at: 0x30))
        #expect(function.isROMEnabled && function.base(of: .rom) == 0xfea0_0000)
        #expect(try propose(0xfea0_0000, at: 0x30))
        #expect(!function.isROMEnabled)
        #expect(try propose(0, at: 0x04))
        #expect(write(0xfeb0_0001, at: 0x30).isEmpty)
        #expect(function.isROMEnabled)
    }

    @Test mutating func messageControlIsDoneAtOnce() {
        #expect(write(0xc000_0000, at: 0x40).isEmpty)
        #expect(function.isMSIXEnabled && function.isMSIXFunctionMasked)
        #expect(write(0x8000_0000, at: 0x40).isEmpty)
        #expect(function.isMSIXEnabled && !function.isMSIXFunctionMasked)
    }

    /// Bus master may come with a change of decode: what pends is sent with the commit, and not before.
    @Test mutating func messagesGoWithTheCommit() throws {
        #expect(write(0x8000_0000, at: 0x40).isEmpty)
        for (offset, value) in [(0x1000, 0xfee0_0000), (0x1008, 0x41), (0x100c, 0)] as [(UInt64, UInt64)] {
            #expect(function.writeTrapped(value, .bar(5), at: offset, width: .doubleword).asksForNothing)
        }
        #expect(function.raise(vector: 0) == nil)
        let proposal = try #require(write(6, at: 0x04).proposal)
        #expect(function.peekTrapped(.bar(5), at: 0x1800, width: .doubleword) == 1)
        #expect(function.commit(proposal).messages == [MSIMessage(address: 0xfee0_0000, data: 0x41)])
        #expect(function.peekTrapped(.bar(5), at: 0x1800, width: .doubleword) == 0)
    }
}
