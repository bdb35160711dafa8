import Devices
import PCI
import Testing

/// What a configuration write says that it changed.
@Suite struct ConfigChangeTests {
    private var function: PCIFunction

    init() throws {
        function = try PCIFunction(.rich, at: .at(4))
    }

    private mutating func write(_ value: UInt64, at offset: UInt64) -> ConfigChange {
        function.write(value, at: offset, width: .doubleword)
    }

    @Test mutating func writingTheSameChangesNothing() {
        _ = write(2, at: 0x04)
        #expect(write(2, at: 0x04).isEmpty)
        #expect(write(0x1234_5678, at: 0x00).isEmpty)
    }

    @Test mutating func decodeBitsAreTold() {
        var change = write(0x0003, at: 0x04)
        #expect(change.memoryDecode == true && change.portDecode == true && change.busMaster == nil)
        #expect(change.affectsDecodedMemory)
        change = write(0x0005, at: 0x04)
        #expect(change.memoryDecode == false && change.portDecode == nil && change.busMaster == true)
        #expect(change.affectsDecodedMemory)
        #expect(!write(0x0000, at: 0x04).affectsDecodedMemory)
    }

    @Test mutating func movedBARsAreTold() {
        #expect(write(0xe000_0000, at: 0x24).moved == [.bar(5)])
        #expect(write(0x40, at: 0x14).moved == [.bar(0)])
        #expect(write(0xc000, at: 0x18).moved == [.bar(2)])
        #expect(write(0xfeb0_0000, at: 0x30).moved == [.rom])
    }

    @Test mutating func movesMatterWhileDecodeIsOn() {
        #expect(!write(0xe000_0000, at: 0x24).affectsDecodedMemory)
        _ = write(3, at: 0x04)
        #expect(write(0xf000_0000, at: 0x24).affectsDecodedMemory)
        #expect(!write(0xc000, at: 0x18).affectsDecodedMemory)
    }

    @Test mutating func romMattersWhileEnabled() {
        _ = write(2, at: 0x04)
        #expect(!write(0xfeb0_0000, at: 0x30).affectsDecodedMemory)
        var change = write(0xfeb0_0001, at: 0x30)
        #expect(change.romEnable == true && change.moved.isEmpty && change.affectsDecodedMemory)
        change = write(0xfea0_0001, at: 0x30)
        #expect(change.romEnable == nil && change.moved == [.rom] && change.affectsDecodedMemory)
        change = write(0xfea0_0000, at: 0x30)
        #expect(change.romEnable == false && change.affectsDecodedMemory)
    }

    @Test mutating func messageControlIsTold() {
        var change = write(0xc000_0000, at: 0x40)
        #expect(change.msixEnable == true && change.msixFunctionMask == true)
        change = write(0x8000_0000, at: 0x40)
        #expect(change.msixEnable == nil && change.msixFunctionMask == false)
        #expect(!change.affectsDecodedMemory)
    }
}
