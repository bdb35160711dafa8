import Devices
import Testing

@Suite final class Serial16550InterruptTests {
    private var serial = Serial16550()
    private static let raised = InterruptLine(irq: 4, isRaised: true)
    private static let lowered = InterruptLine(irq: 4, isRaised: false)

    init() {
        serial.output(0x08, Port.mcr)
    }

    // MARK: Received data

    @Test func receivedDataRaisesTheLine() {
        serial.output(0x01, Port.ier)
        #expect(serial.receive(0x41).line == Self.raised)
        #expect(serial.input(Port.iir) == 0x04)
    }

    @Test func readingTheDataLowersTheLine() {
        serial.output(0x01, Port.ier)
        _ = serial.receive(0x41)
        #expect(serial.read(at: Port.rbr, width: .byte).effects.line == Self.lowered)
        #expect(serial.input(Port.iir) == 0x01)
    }

    @Test func withoutERBFIReceivedDataIsSilent() {
        #expect(serial.receive(0x41) == .none)
        #expect(serial.input(Port.iir) == 0x01)
    }

    @Test func enablingERBFIWithDataRaisesTheLine() {
        _ = serial.receive(0x41)
        #expect(serial.output(0x01, Port.ier).line == Self.raised)
    }

    @Test func receiverResetLowersTheLine() {
        serial.output(0x01, Port.ier)
        serial.output(0x01, Port.fcr)
        _ = serial.receive(0x41)
        #expect(serial.output(0x03, Port.fcr).line == Self.lowered)
    }

    @Test(arguments: [(UInt8(0x01), 1), (0x41, 4), (0x81, 8), (0xc1, 14)])
    func fifoTellsTriggerFromTimeout(fcr: UInt8, trigger: Int) {
        serial.output(0x01, Port.ier)
        serial.output(fcr, Port.fcr)
        for count in 1...16 {
            _ = serial.receive(0x41)
            #expect(serial.input(Port.iir) == (count < trigger ? 0xcc : 0xc4))
        }
        for count in (1...16).reversed() {
            #expect(serial.input(Port.iir) == (count < trigger ? 0xcc : 0xc4))
            _ = serial.input(Port.rbr)
        }
        #expect(serial.input(Port.iir) == 0xc1)
    }

    // MARK: Line status

    @Test func overrunRaisesLineStatus() {
        serial.output(0x04, Port.ier)
        #expect(serial.receive(0x41).line == nil)
        #expect(serial.receive(0x42).line == Self.raised)
        #expect(serial.input(Port.iir) == 0x06)
    }

    @Test func readingLSRLowersTheLine() {
        serial.output(0x04, Port.ier)
        serial.receive(count: 2)
        #expect(serial.read(at: Port.lsr, width: .byte).effects.line == Self.lowered)
    }

    // MARK: Transmitter

    @Test func enablingETBEIRaisesTheLine() {
        #expect(serial.output(0x02, Port.ier).line == Self.raised)
        #expect(serial.input(Port.iir) == 0x02)
    }

    @Test func readingIIRClearsTheTransmitter() {
        serial.output(0x02, Port.ier)
        #expect(serial.read(at: Port.iir, width: .byte).effects.line == Self.lowered)
        #expect(serial.input(Port.iir) == 0x01)
    }

    @Test func readingIIRForAnotherCauseKeepsTheTransmitter() {
        serial.output(0x03, Port.ier)
        _ = serial.receive(0x41)
        #expect(serial.input(Port.iir) == 0x04)
        _ = serial.input(Port.rbr)
        #expect(serial.input(Port.iir) == 0x02)
    }

    @Test func sentByteRaisesTheLineAgain() {
        serial.output(0x02, Port.ier)
        _ = serial.input(Port.iir)
        #expect(serial.output(0x41, Port.thr) == DeviceEffects(output: 0x41, line: Self.raised))
        #expect(serial.input(Port.iir) == 0x02)
    }

    @Test func writingIERUnchangedDoesNotRaise() {
        serial.output(0x02, Port.ier)
        _ = serial.input(Port.iir)
        #expect(serial.output(0x02, Port.ier).line == nil)
    }

    @Test func disablingETBEILowersTheLine() {
        serial.output(0x02, Port.ier)
        #expect(serial.output(0x00, Port.ier).line == Self.lowered)
    }

    // MARK: Modem status

    @Test func modemChangeIsReported() {
        serial.output(0x08, Port.ier)
        serial.output(0x18, Port.mcr)
        #expect(serial.input(Port.iir) == 0x00)
        _ = serial.input(Port.msr)
        #expect(serial.input(Port.iir) == 0x01)
    }

    @Test func readingMSRLowersTheLine() {
        serial.output(0x08, Port.ier)
        serial.output(0x18, Port.mcr)
        #expect(serial.output(0x08, Port.mcr).line == Self.raised)
        #expect(serial.read(at: Port.msr, width: .byte).effects.line == Self.lowered)
    }

    // MARK: Priorities and the line

    @Test func causesComeInOrderOfPriority() {
        serial.output(0x10, Port.mcr)
        serial.receive(count: 1)
        serial.output(0x41, Port.thr)
        serial.output(0x42, Port.thr)
        serial.output(0x0f, Port.ier)
        #expect(serial.input(Port.iir) == 0x06)
        _ = serial.input(Port.lsr)
        #expect(serial.input(Port.iir) == 0x04)
        _ = serial.input(Port.rbr)
        #expect(serial.input(Port.iir) == 0x02)
        #expect(serial.input(Port.iir) == 0x00)
        _ = serial.input(Port.msr)
        #expect(serial.input(Port.iir) == 0x01)
    }

    @Test func out2GatesTheLine() {
        serial.output(0x00, Port.mcr)
        #expect(serial.output(0x02, Port.ier).line == nil)
        #expect(serial.output(0x08, Port.mcr).line == Self.raised)
        #expect(serial.output(0x00, Port.mcr).line == Self.lowered)
    }

    @Test func loopbackKeepsTheLineLow() {
        serial.output(0x02, Port.ier)
        #expect(serial.output(0x18, Port.mcr).line == Self.lowered)
        #expect(serial.output(0x08, Port.mcr).line == Self.raised)
    }

    @Test func lineIsReportedOnlyWhenItChanges() {
        serial.output(0x01, Port.ier)
        serial.output(0x01, Port.fcr)
        #expect(serial.receive(0x41).line == Self.raised)
        #expect(serial.receive(0x42).line == nil)
        #expect(serial.read(at: Port.rbr, width: .byte).effects.line == nil)
        #expect(serial.read(at: Port.rbr, width: .byte).effects.line == Self.lowered)
    }

    @Test func lineCarriesTheChosenIRQ() {
        var second = Serial16550(irq: 3)
        second.output(0x08, Port.mcr)
        #expect(second.output(0x02, Port.ier).line == InterruptLine(irq: 3, isRaised: true))
    }

    @Test func wideAccessReportsWhereTheLineEnds() {
        serial.output(0x02, Port.ier)
        _ = serial.input(Port.iir)
        // THR raises the line, IER lowers it again: nothing changed.
        #expect(serial.write(0x0041, at: Port.thr, width: .word) == DeviceEffects(output: 0x41))
    }
}
