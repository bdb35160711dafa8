import Devices
import PCI
import PCISupport
import Testing

/// The interrupts that a function sends, by what software has set up.
@Suite struct InterruptStateTests {
    private static let msi = MSIMessage(address: 0xfee0_0000, data: 0x40)

    private static func open(_ function: PCIFunction) -> [Int] {
        switch function.interruptState {
        case .none, .line: []
        case .messages(let messages), .messagesX(let messages): messages.keys.sorted()
        }
    }

    @Test func goesFromTheLineToMessages() throws {
        var record = DeviceRecord(
            regions: [.bar0: .init(size: 0x1000)], interrupts: [.intx: .init(count: 1, traits: .eventfd)],
            configuration: [UInt8](repeating: 0, count: 256))
        record.configuration[0x3d] = 1
        record.configuration[6] = 0x10
        record.configuration[0x34] = 0x40
        record.configuration.replaceSubrange(0x40..<0x48, with: [0x11, 0x50, 3, 0, 0, 0, 0, 0])
        record.configuration[0x49] = 8
        record.configuration.replaceSubrange(0x50..<0x54, with: [0x05, 0, 0x84, 1])
        record.interrupts[.msi] = .init(count: 4, traits: .eventfd)
        record.interrupts[.msix] = .init(count: 4, traits: .eventfd)
        var function = try PCIFunction(record.functionDescription(), at: .at(4))
        #expect(function.interruptState == .line && function.interruptPin == 1)
        _ = function.writeSettled(0x400, at: 4, width: .word)
        #expect(function.interruptState == .none, "the line is disabled")
        _ = function.writeSettled(0, at: 4, width: .word)
        // Two vectors of MSI, one of them masked. Nothing is sent without bus master.
        _ = function.writeSettled(0xfee0_0000, at: 0x54, width: .doubleword)
        _ = function.writeSettled(0x40, at: 0x5c, width: .word)
        _ = function.writeSettled(0x11, at: 0x52, width: .word)
        #expect(function.interruptState == .messages([:]))
        _ = function.writeSettled(4, at: 4, width: .word)
        _ = function.writeSettled(2, at: 0x60, width: .doubleword)
        #expect(function.interruptState == .messages([0: Self.msi]))
        #expect(function.readsPendingBits(at: 0x64) && !function.readsPendingBits(at: 0x60))
        // MSI-X goes before MSI. Its vectors are masked at first.
        _ = function.writeSettled(0x8000, at: 0x42, width: .word)
        #expect(function.interruptState == .messagesX([:]))
        let opened = function.writeTrapped(0, .bar(0), at: 0x2c, width: .doubleword)
        #expect(opened.changesInterrupts && Self.open(function) == [2])
        #expect(function.readsPendingBits(.bar(0), at: 0x800, width: .doubleword))
        #expect(!function.readsPendingBits(.bar(0), at: 0x2c, width: .doubleword))
        _ = function.writeSettled(0xc000, at: 0x42, width: .word)
        #expect(Self.open(function) == [])
        guard case .done(let outcome) = function.write(0x4000, at: 0x42, width: .word) else {
            Issue.record("a proposal")
            return
        }
        #expect(outcome.changesInterrupts && function.interruptState == .messages([0: Self.msi]))
    }

    @Test("a described function holds its line from the doorbell on until software takes the interrupt back")
    func line() throws {
        var description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 1, bars: [0: BARDescription(kind: .memory32, size: 0x1000)], msiVectors: 1,
            doorbell: BARLocation(bar: 0, offset: 8))
        description.interruptPin = 2
        var function = try PCIFunction(description, at: .at(4))
        function.connect(toLine: 11)
        #expect(function.lineNumber == 11 && function.read(at: 0x3c, width: .word) == 0x20b)
        func ring(_ offset: UInt64) { _ = function.writeTrapped(0, .bar(0), at: offset, width: .doubleword) }
        func status() -> UInt64 { function.read(at: 6, width: .word) & 8 }
        ring(12)
        #expect(!function.assertsLine && status() == 0)
        ring(8)
        #expect(function.assertsLine && status() == 8)
        // The status stays while the line is disabled, and no driver can write it.
        _ = function.writeSettled(0x400, at: 4, width: .word)
        #expect(!function.assertsLine && status() == 8)
        _ = function.writeSettled(0xffff_0000, at: 4, width: .doubleword)
        #expect(function.assertsLine && status() == 8)
        ring(12)
        #expect(!function.assertsLine && status() == 0)
        // With MSI on, the doorbell sends a message and the line is silent.
        _ = function.writeSettled(1, at: 0x52, width: .word)
        ring(8)
        #expect(!function.assertsLine && status() == 0)
        function.reset()
        ring(8)
        #expect(function.assertsLine)
    }

    @Test("without a pin there is no line, and no fifth pin")
    func pins() throws {
        var description = FunctionDescription(
            vendorID: 0x1af4, deviceID: 1, bars: [0: BARDescription(kind: .memory32, size: 0x1000)],
            doorbell: BARLocation(bar: 0, offset: 8))
        var function = try PCIFunction(description, at: .at(4))
        _ = function.writeTrapped(0, .bar(0), at: 8, width: .doubleword)
        #expect(!function.assertsLine && function.read(at: 6, width: .word) & 8 == 0)
        description.interruptPin = 5
        #expect(throws: DescriptionError.interruptPin(5)) { try description.validate() }
    }
}
