import Devices
import Testing

/// Data, status and control of the serial port; interrupts have a suite of their own.
@Suite final class Serial16550Tests {
    private var serial = Serial16550()

    // MARK: Transmitter

    @Test func writtenByteGoesOut() {
        #expect(serial.output(0x41, Port.thr) == DeviceEffects(output: 0x41))
    }

    @Test func transmitterIsAlwaysEmpty() {
        #expect(serial.input(Port.lsr) == 0x60)
        serial.output(0x41, Port.thr)
        #expect(serial.input(Port.lsr) == 0x60)
    }

    // MARK: Receiver

    @Test func receivedByteIsReadOnce() {
        _ = serial.receive(0x41)
        #expect(serial.input(Port.lsr) == 0x61)
        #expect(serial.input(Port.rbr) == 0x41)
        #expect(serial.input(Port.lsr) == 0x60)
        #expect(serial.input(Port.rbr) == 0)
    }

    @Test func withoutFIFOOneByteFits() {
        #expect(serial.receiveCapacity == 1)
        _ = serial.receive(0x41)
        #expect(serial.receiveCapacity == 0)
    }

    @Test func withoutFIFOAnOverrunKeepsTheNewByte() {
        serial.receive(count: 2)
        #expect(serial.input(Port.lsr) == 0x63)
        #expect(serial.input(Port.rbr) == 1)
        #expect(serial.input(Port.lsr) == 0x60)
    }

    @Test func fifoGivesSixteenBytesInOrder() {
        serial.output(0x01, Port.fcr)
        #expect(serial.receiveCapacity == 16)
        serial.receive(count: 16)
        #expect(serial.receiveCapacity == 0)
        #expect((0..<16).map { _ in serial.input(Port.rbr) } == Array(0..<16))
        #expect(serial.input(Port.lsr) == 0x60)
    }

    @Test func fifoGoesRound() {
        serial.output(0x01, Port.fcr)
        for round in 0..<UInt8(40) {
            _ = serial.receive(round)
            _ = serial.receive(round &+ 100)
            #expect(serial.input(Port.rbr) == round)
            #expect(serial.input(Port.rbr) == round &+ 100)
        }
    }

    @Test func withFIFOAnOverrunKeepsTheOldBytes() {
        serial.output(0x01, Port.fcr)
        serial.receive(count: 17)
        #expect(serial.input(Port.lsr) == 0x63)
        #expect((0..<16).map { _ in serial.input(Port.rbr) } == Array(0..<16))
    }

    @Test func readingLSRClearsTheOverrun() {
        serial.receive(count: 2)
        #expect(serial.input(Port.lsr) & 0x02 == 0x02)
        #expect(serial.input(Port.lsr) & 0x02 == 0)
    }

    // MARK: FCR

    @Test func receiverResetEmptiesTheFIFO() {
        serial.output(0x01, Port.fcr)
        serial.receive(count: 3)
        serial.output(0x03, Port.fcr)
        #expect(serial.input(Port.lsr) == 0x60)
        #expect(serial.receiveCapacity == 16)
    }

    @Test func transmitterResetLeavesTheReceiver() {
        serial.output(0x01, Port.fcr)
        _ = serial.receive(0x41)
        serial.output(0x05, Port.fcr)
        #expect(serial.input(Port.rbr) == 0x41)
    }

    @Test(arguments: [UInt8(0x00), 0x01])
    func switchingTheFIFOEmptiesIt(enabled: UInt8) {
        serial.output(enabled, Port.fcr)
        _ = serial.receive(0x41)
        serial.output(enabled ^ 0x01, Port.fcr)
        #expect(serial.input(Port.lsr) == 0x60)
    }

    @Test func enablingTheFIFOAgainKeepsItsBytes() {
        serial.output(0x01, Port.fcr)
        _ = serial.receive(0x41)
        serial.output(0xc1, Port.fcr)
        #expect(serial.input(Port.rbr) == 0x41)
    }

    @Test func withoutTheEnableBitOtherBitsAreIgnored() {
        _ = serial.receive(0x41)
        serial.output(0xc6, Port.fcr)
        #expect(serial.input(Port.rbr) == 0x41)
    }

    @Test func iirShowsWhetherTheFIFOIsEnabled() {
        #expect(serial.input(Port.iir) == 0x01)
        serial.output(0x01, Port.fcr)
        #expect(serial.input(Port.iir) == 0xc1)
    }

    // MARK: LCR, SCR, reserved bits

    @Test func dlabOpensTheDivisorLatch() {
        serial.output(0x83, Port.lcr)
        #expect(serial.output(0x34, Port.dll) == .none)
        serial.output(0x12, Port.dlm)
        #expect(serial.input(Port.dll) == 0x34)
        #expect(serial.input(Port.dlm) == 0x12)
        serial.output(0x03, Port.lcr)
        #expect(serial.input(Port.ier) == 0)
        #expect(serial.output(0x41, Port.thr) == DeviceEffects(output: 0x41))
    }

    @Test func dlabLeavesReceivedData() {
        _ = serial.receive(0x41)
        serial.output(0x80, Port.lcr)
        _ = serial.input(Port.dll)
        serial.output(0x00, Port.lcr)
        #expect(serial.input(Port.rbr) == 0x41)
    }

    @Test(arguments: [Port.lcr, Port.scr])
    func registerKeepsAllBits(port: UInt64) {
        for value in UInt8.min ... .max {
            serial.output(value, port)
            #expect(serial.input(port) == value)
        }
    }

    @Test func reservedBitsOfIERAndMCRReadZero() {
        serial.output(0xff, Port.ier)
        serial.output(0xff, Port.mcr)
        #expect(serial.input(Port.ier) == 0x0f)
        #expect(serial.input(Port.mcr) == 0x1f)
    }

    @Test(arguments: [Port.lsr, Port.msr])
    func statusRegisterIgnoresWrites(port: UInt64) {
        let before = serial.input(port)
        #expect(serial.output(0x0f, port) == .none)
        #expect(serial.input(port) == before)
    }

    @Test func registersBeyondTheEighthAreEmpty() {
        #expect(serial.input(8) == 0xff)
        #expect(serial.output(0x41, 8) == .none)
    }

    // MARK: Modem and loopback

    @Test func otherEndIsReady() {
        #expect(serial.input(Port.msr) == 0xb0)
    }

    @Test func loopbackReturnsWrittenBytes() {
        serial.output(0x10, Port.mcr)
        #expect(serial.output(0x41, Port.thr) == .none)
        #expect(serial.input(Port.lsr) == 0x61)
        #expect(serial.input(Port.rbr) == 0x41)
    }

    @Test func loopbackOverruns() {
        serial.output(0x10, Port.mcr)
        serial.output(0x41, Port.thr)
        serial.output(0x42, Port.thr)
        #expect(serial.input(Port.lsr) == 0x63)
        #expect(serial.input(Port.rbr) == 0x42)
    }

    @Test func loopbackDisconnectsTheHost() {
        serial.output(0x10, Port.mcr)
        #expect(serial.receiveCapacity == 0)
        _ = serial.receive(0x41)
        #expect(serial.input(Port.lsr) == 0x60)
    }

    @Test(arguments: [(UInt8(0x01), UInt8(0x20)), (0x02, 0x10), (0x04, 0x40), (0x08, 0x80)])
    func loopbackReflectsMCRInMSR(output: UInt8, input: UInt8) {
        serial.output(0x10 | output, Port.mcr)
        #expect(serial.input(Port.msr) & 0xf0 == input)
    }

    @Test func msrShowsChangesOnce() {
        serial.output(0x10, Port.mcr)
        #expect(serial.input(Port.msr) == 0x0b)
        #expect(serial.input(Port.msr) == 0x00)
    }

    @Test func ringShowsOnlyItsTrailingEdge() {
        serial.output(0x10, Port.mcr)
        _ = serial.input(Port.msr)
        serial.output(0x14, Port.mcr)
        #expect(serial.input(Port.msr) == 0x40)
        serial.output(0x10, Port.mcr)
        #expect(serial.input(Port.msr) == 0x04)
    }

    // MARK: Wide accesses

    @Test func wideReadReadsRegistersInTurn() {
        serial.output(0x1b, Port.lcr)
        serial.output(0x09, Port.mcr)
        #expect(serial.read(at: Port.lcr, width: .word).value == 0x091b)
        #expect(serial.read(at: Port.lcr, width: .doubleword).value == 0xb060_091b)
    }

    @Test func wideReadTakesOneByteFromTheFIFO() {
        serial.output(0x01, Port.fcr)
        serial.receive(count: 2)
        _ = serial.read(at: 0, width: .quadword)
        #expect(serial.receiveCapacity == 15)
    }

    @Test func wideWriteOutputsOneByte() {
        #expect(serial.write(0x0241, at: Port.thr, width: .word) == DeviceEffects(output: 0x41))
        #expect(serial.input(Port.ier) == 0x02)
    }

    @Test func wideReadPastTheEndGivesOnes() {
        serial.output(0x55, Port.scr)
        #expect(serial.read(at: Port.scr, width: .word).value == 0xff55)
    }

    // MARK: Polling

    @Test func outputIsNoPolling() {
        serial.output(0x41, Port.thr)
        serial.output(0x02, Port.ier)
        serial.output(0x80, Port.lcr)
        _ = serial.input(Port.dll)
        _ = serial.input(Port.iir)
        #expect(!serial.hasBeenPolled)
    }

    @Test(arguments: [Port.rbr, Port.lsr])
    func readingDataOrStatusIsPolling(port: UInt64) {
        _ = serial.input(port)
        #expect(serial.hasBeenPolled)
    }

    @Test func enablingReceivedDataIsPolling() {
        serial.output(0x01, Port.ier)
        #expect(serial.hasBeenPolled)
    }
}
