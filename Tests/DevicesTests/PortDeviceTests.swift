import Devices
import Testing

@Suite struct DebugConsoleTests {
    private let console = DebugConsole()

    @Test(arguments: [AccessWidth.byte, .word, .doubleword])
    func writeOutputsTheLowByte(width: AccessWidth) {
        #expect(console.write(0x4443_4241, at: 0, width: width) == DeviceEffects(output: 0x41))
    }

    @Test(arguments: [AccessWidth.byte, .word, .doubleword])
    func readGivesItsPortNumber(width: AccessWidth) {
        #expect(console.read(at: 0, width: width) == DeviceReply(0xe9))
    }

    @Test func portsAboveTheFirstAreEmpty() {
        #expect(console.write(0x41, at: 1, width: .byte) == .none)
        #expect(console.read(at: 1, width: .byte) == DeviceReply(0xff))
    }
}

@Suite struct ExitPortTests {
    private let port = ExitPort()

    @Test func writeEndsTheRunWithItsValue() {
        #expect(port.write(0x1234_5678, at: 0, width: .doubleword) == DeviceEffects(exitStatus: 0x1234_5678))
    }

    @Test func statusIsTruncatedToItsWidth() {
        #expect(port.write(0x1234_5678, at: 0, width: .byte) == DeviceEffects(exitStatus: 0x78))
        #expect(port.write(0x1_0000_0002, at: 0, width: .quadword) == DeviceEffects(exitStatus: 2))
    }

    @Test func readGivesAllOnes() {
        #expect(port.read(at: 0, width: .word) == DeviceReply(0xffff))
    }

    @Test func portsAboveTheFirstAreEmpty() {
        #expect(port.write(1, at: 1, width: .byte) == .none)
    }
}

@Suite struct AccessWidthTests {
    @Test func allOnesFillsTheWidth() {
        #expect(AccessWidth.allCases.map(\.allOnes) == [0xff, 0xffff, 0xffff_ffff, .max])
    }
}
