import Devices
import PCI
import PCISupport
import Testing

@Suite("Recorded bridges")
struct RecordedBridgeTests {
    @Test("a bridge is found byte for byte, with live bus numbers and windows, and no hot plug")
    func bridge() throws {
        var recording = RecordedConfigurationTests.Recording()
        recording.bytes[0x0e] = 0x81
        // Bus numbers and timer, I/O window of 32 bits, secondary status, windows, upper halves; capabilities, ROM, bridge control.
        recording.set([0, 3, 5, 0x20, 0xe1, 0xf1, 0x00, 0x20, 0x00, 0xf0, 0x10, 0xf1, 0x01, 0, 0xf1, 0xff], at: 0x18)
        recording.set([0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x40, 0, 0, 0], at: 0x28)
        recording.set([1, 0, 0xe0, 0xfe, 0x0b, 1, 0x13, 0], at: 0x38)
        recording.link([(0x10, 0x40, [0x42, 0x01] + [UInt8](repeating: 0xff, count: 56))])
        recording.link(extended: [(0x1d, 0x100, [1, 2, 3, 4]), (0x01, 0x140, [5, 6])])
        let (config, bridge) = (ConfigDump(recording.bytes), BridgeDescription(secondary: 3, subordinate: 5))
        #expect(throws: DescriptionError.self) { try FunctionDescription(recorded: config, sizes: [:]) }
        let plain = ConfigDump(RecordedConfigurationTests.Recording().bytes)
        #expect(throws: DescriptionError.self) { try FunctionDescription(recorded: plain, sizes: [:], bridge: bridge) }
        var function = try PCIFunction(
            try FunctionDescription(recorded: config, sizes: [.bar(0): 0x1000], bridge: bridge),
            at: FunctionAddress(requesterID: 8))
        func read(_ offset: UInt64, _ width: AccessWidth) -> UInt64 { function.peek(at: offset, width: width) }
        let different = (0..<4096).filter { read(UInt64($0), .byte) != UInt64(recording.bytes[$0]) }
        // Command and status, cache line size, BAR 0, bus numbers, windows, ROM, line, slot, links over DPC.
        let live = Set(4...7).union([0x0c, 0x0e]).union(0x10...0x1a).union(0x1c...0x1d).union(0x20...0x33)
            .union(0x38...0x3c).union(0x54...0x57).union(0x100...0x103)
        #expect(live.isSuperset(of: different), "\(different.map { String($0, radix: 16) })")
        #expect(read(0x1b, .byte) == 0x20 && read(0x1e, .word) == 0x2000 && read(0x3e, .word) == 0x0013)
        #expect(read(0x54, .doubleword) == 0xfffd_ff80 && read(0x0e, .byte) & 0x7f == 1)
        #expect(BridgeWindow.allCases.allSatisfy { function.range(of: $0) == nil })
        function.numberBuses()
        #expect(read(0x18, .doubleword) == 0x2005_0300)
        function.writeSettled(0xd0f0_d000, at: 0x20, width: .doubleword)
        function.writeSettled(0xd0e0, at: 0x1c, width: .word)
        function.writeSettled(0xf0_0010, at: 0x24, width: .doubleword)
        function.writeSettled(1, at: 0x28, width: .doubleword)
        function.writeSettled(1, at: 0x2c, width: .doubleword)
        function.writeSettled(0xff_0706, at: 0x18, width: .doubleword)
        function.writeSettled(7, at: 4, width: .word)
        #expect(function.range(of: .memory) == 0xd000_0000...0xd0ff_ffff)
        #expect(function.range(of: .prefetchable) == 0x1_0010_0000...0x1_00ff_ffff)
        #expect(read(0x1c, .word) == 0xd1e1 && function.range(of: .ports) == nil)
        #expect(read(0x18, .doubleword) == 0x20ff_0706)
    }
}
