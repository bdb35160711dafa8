import Devices
import PCI
import PCISupport
import Testing

extension FunctionDescription {
    static func bridge(_ secondary: UInt8, _ subordinate: UInt8? = nil) -> FunctionDescription {
        var description = FunctionDescription(vendorID: 0x1234, deviceID: 0x3333, classCode: 0x060400)
        description.bridge = BridgeDescription(secondary: secondary, subordinate: subordinate ?? secondary)
        return description
    }
}

@Suite("Registers of bridges")
struct BridgeRegistersTests {
    private static let address = FunctionAddress(requesterID: 0x10)

    @Test("a header of type 1 has bus numbers and windows, which are closed after reset")
    func registers() throws {
        var bridge = try PCIFunction(.bridge(1, 3), at: Self.address)
        #expect(bridge.peek(at: 0x0e, width: .byte) == 1)
        bridge.isMultifunction = true
        #expect(bridge.peek(at: 0x0e, width: .byte) == 0x81)
        for offset in stride(from: UInt64(0x10), to: 0x3c, by: 4) where offset != 0x34 {
            bridge.writeSettled(0xffff_ffff, at: offset, width: .doubleword)
        }
        let written: [UInt64: UInt64] = [
            0x18: 0xff_ffff, 0x1c: 0xf0f0, 0x20: 0xfff0_fff0, 0x24: 0xfff1_fff1, 0x28: 0xffff_ffff, 0x2c: 0xffff_ffff,
        ]
        for offset in stride(from: UInt64(0x10), to: 0x40, by: 4) {
            #expect(bridge.peek(at: offset, width: .doubleword) == written[offset] ?? 0, "\(offset)")
        }
        bridge.reset()
        bridge.writeSettled(7, at: 4, width: .word)
        #expect(BridgeWindow.allCases.allSatisfy { bridge.range(of: $0) == nil })
    }

    @Test("a window is open from its base to its limit while decode is on")
    func windows() throws {
        var bridge = try PCIFunction(.bridge(1), at: Self.address)
        bridge.writeSettled(0xe020_e010, at: 0x20, width: .doubleword)
        bridge.writeSettled(0xf000_0000, at: 0x24, width: .doubleword)
        bridge.writeSettled(0x12, at: 0x28, width: .doubleword)
        bridge.writeSettled(0x34, at: 0x2c, width: .doubleword)
        bridge.writeSettled(0xd0c0, at: 0x1c, width: .word)
        #expect(bridge.range(of: .memory) == nil)
        bridge.writeSettled(2, at: 4, width: .word)
        #expect(bridge.range(of: .memory) == 0xe010_0000...0xe02f_ffff)
        #expect(bridge.range(of: .prefetchable) == 0x12_0000_0000...0x34_f00f_ffff)
        #expect(bridge.range(of: .ports) == nil)
        bridge.writeSettled(1, at: 4, width: .word)
        #expect(bridge.range(of: .ports) == 0xc000...0xdfff && bridge.range(of: .memory) == nil)
    }

    @Test("a bridge has no ROM and two BARs at most")
    func wrongDescription() {
        #expect(throws: DescriptionError.bridgeRegisters) {
            try FunctionDescription.bridge(1).with { $0.romSize = 2048 }.validate()
        }
        let bar = BARDescription(kind: .memory32, size: 4096)
        #expect(throws: DescriptionError.bridgeRegisters) {
            try FunctionDescription.bridge(1).with { $0.bars = [2: bar] }.validate()
        }
        #expect(throws: Never.self) {
            try FunctionDescription.bridge(1).with { $0.bars = [0: bar, 1: bar] }.validate()
        }
    }
}
