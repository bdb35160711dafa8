import Devices
import Testing

@testable import PCI

/// The registers of a port's slot (PCIe, 7.5.3.9 to 7.5.3.11), and when the port interrupts (6.7.3.4).
@Suite("Slots of ports")
struct SlotTests {
    private static let control: UInt64 = 0x58
    private static let status: UInt64 = 0x5a
    private static let linkStatus: UInt64 = 0x52
    private static let msi: UInt64 = 0x80
    private static let button: UInt64 = 1
    private static let presence: UInt64 = 1 << 3
    private static let command: UInt64 = 1 << 4
    private static let occupied: UInt64 = 1 << 6
    private static let link: UInt64 = 1 << 8

    private func port(slot: Bool = true) throws -> PCIFunction {
        var description = FunctionDescription(vendorID: 1, deviceID: 2, classCode: 0x060400)
        description.bridge = BridgeDescription(secondary: 1, subordinate: 1, hasSlot: slot)
        description.capabilities = [.port(type: 4, slot: slot ? 9 : nil)]
        (description.msiVectors, description.msiOffset, description.interruptPin) = (1, Self.msi, 1)
        return try PCIFunction(description, at: FunctionAddress(requesterID: 8))
    }

    private func write(_ value: UInt64, _ function: inout PCIFunction, at offset: UInt64) -> AccessOutcome {
        switch function.write(value, at: offset, width: .word) {
        case .done(let outcome): return outcome
        case .proposed(let proposal): return function.commit(proposal)
        }
    }

    private func enableMSI(_ port: inout PCIFunction) {
        _ = write(4, &port, at: 4)
        _ = port.write(0xfee0_0000, at: Self.msi + 4, width: .doubleword)
        _ = write(0x31, &port, at: Self.msi + 12)
        _ = write(1, &port, at: Self.msi + 2)
    }

    @Test("the capability says what a slot has, and an empty slot is off")
    func capability() throws {
        var port = try port()
        #expect(port.read(at: 0x42, width: .word) == 0x142)
        #expect(port.read(at: 0x54, width: .doubleword) == 9 << 19 | 0x7b)
        #expect(port.read(at: 0x4c, width: .doubleword) >> 20 & 1 == 1)
        #expect(port.read(at: Self.control, width: .doubleword) == 0x7c0)
        #expect(port.hasSlotPower == false && port.read(at: Self.linkStatus, width: .word) >> 13 & 1 == 0)
        var plain = try self.port(slot: false)
        #expect(plain.hasSlotPower == nil && plain.read(at: 0x42, width: .word) == 0x42)
        #expect(plain.read(at: Self.control, width: .doubleword) == 0)
        #expect(plain.setSlot(isOccupied: true) == AccessOutcome())
        #expect(plain.read(at: Self.control, width: .doubleword) == 0)
    }

    @Test("what comes and goes is an event, which software clears; the link is up with power")
    func events() throws {
        var port = try port()
        func status() -> UInt64 { port.read(at: Self.status, width: .word) }
        func isUp() -> Bool { port.read(at: Self.linkStatus, width: .word) >> 13 & 1 == 1 }
        _ = port.setSlot(isOccupied: true, isButtonPressed: true)
        #expect(status() == Self.button | Self.presence | Self.occupied && !isUp())
        #expect(write(Self.presence, &port, at: Self.status) == AccessOutcome())
        #expect(status() == Self.button | Self.occupied)
        _ = port.write(1, at: Self.status, width: .byte)
        #expect(status() == Self.occupied)
        // Power on is a command; the slot follows when it is told of the device.
        let outcome = write(0, &port, at: Self.control)
        #expect(outcome.changesSlot && outcome.messages.isEmpty)
        #expect(status() == Self.command | Self.occupied && !isUp() && port.hasSlotPower == true)
        _ = port.setSlot(isOccupied: true)
        #expect(status() == Self.command | Self.occupied | Self.link && isUp())
        #expect(write(0x2c0, &port, at: Self.control).changesSlot == false)
        _ = write(0x1ff, &port, at: Self.status)
        _ = port.setSlot(isOccupied: false)
        #expect(status() == Self.presence | Self.link && !isUp())
        // A doubleword is a command, and clears what was before it.
        _ = port.write(0x1ff_0400, at: Self.control, width: .doubleword)
        #expect(port.read(at: Self.control, width: .doubleword) == Self.command << 16 | 0x400)
        // Nothing else can be written.
        _ = write(.max, &port, at: Self.control)
        #expect(port.read(at: Self.control, width: .word) == 0x17f9)
    }

    @Test("a message is sent when the first enabled event comes, and the next when all were cleared")
    func messages() throws {
        for (bit, enable) in [(Self.button, 1), (Self.presence, 8), (Self.link, 1 << 12)] as [(UInt64, UInt64)] {
            var port = try port()
            enableMSI(&port)
            _ = write(0, &port, at: Self.control)
            _ = write(0x1ff, &port, at: Self.status)
            _ = write(0x20 | enable, &port, at: Self.control)
            let first = port.setSlot(isOccupied: true, isButtonPressed: true)
            #expect(first.messages == [MSIMessage(address: 0xfee0_0000, data: 0x31)], "\(bit)")
            #expect(port.setSlot(isOccupied: false, isButtonPressed: true).messages.isEmpty)
            _ = write(0x1ff & ~bit, &port, at: Self.status)
            #expect(port.setSlot(isOccupied: true, isButtonPressed: true).messages.isEmpty)
            #expect(write(bit, &port, at: Self.status).messages.isEmpty)
            #expect(port.setSlot(isOccupied: false, isButtonPressed: true).messages.count == 1)
            #expect(!port.assertsLine)
        }
        // What was there before its interrupt was enabled raises it then; commands do as well.
        var port = try port()
        enableMSI(&port)
        #expect(port.setSlot(isOccupied: true).messages.isEmpty)
        #expect(write(0x428, &port, at: Self.control).messages.count == 1)
        _ = write(0x1ff, &port, at: Self.status)
        #expect(write(0x430, &port, at: Self.control).messages.count == 1)
    }

    @Test("without messages the line is up as long as an enabled event is there")
    func line() throws {
        var port = try port()
        _ = write(0x428, &port, at: Self.control)
        #expect(!port.assertsLine)
        _ = port.setSlot(isOccupied: true)
        #expect(port.assertsLine)
        _ = write(Self.presence, &port, at: Self.status)
        #expect(!port.assertsLine)
    }

    @Test("a slot outlasts a reset of its port")
    func reset() throws {
        var port = try port()
        port.occupySlot()
        #expect(port.hasSlotPower == true && port.read(at: Self.status, width: .word) == Self.occupied)
        port.reset()
        #expect(port.hasSlotPower == true && port.read(at: Self.status, width: .word) == Self.occupied)
        #expect(port.read(at: Self.linkStatus, width: .word) >> 13 & 1 == 1)
    }

    @Test("a function without power reads as all ones, drops writes and raises nothing")
    func noPower() throws {
        var description = FunctionDescription(vendorID: 1, deviceID: 2)
        description.interruptPin = 1
        var function = try PCIFunction(description, at: FunctionAddress(requesterID: 0x100))
        function.hasPower = false
        #expect(function.read(at: 0, width: .word) == 0xffff && write(4, &function, at: 4) == AccessOutcome())
        #expect(function.raise(vector: 0) == nil && !function.assertsLine)
        function.hasPower = true
        #expect(function.read(at: 4, width: .word) == 0x10 || function.read(at: 4, width: .word) == 0)
    }

    @Test("a slot takes one function, and only a port has one")
    func wrong() throws {
        let port = FunctionAddress(requesterID: 8)
        let described = try self.port().description
        let function = FunctionDescription(vendorID: 1, deviceID: 2)
        for address in [0x101, 0x108] as [UInt16] {
            let address = FunctionAddress(requesterID: address)
            #expect(throws: DescriptionError.slot(address, port: port)) {
                try BridgeTree([port: described, address: function])
            }
        }
        #expect(throws: Never.self) {
            try BridgeTree([port: described, FunctionAddress(requesterID: 0x100): function])
        }
        var bare = described
        bare.capabilities = []
        #expect(throws: DescriptionError.slotCapability) { try bare.validate() }
    }
}
