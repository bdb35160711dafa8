import Devices
import PCI
import PCISupport
import Testing

@Suite struct MSIXTests {
    private var function: PCIFunction
    private static let table: UInt64 = 0x1000
    private static let pendingBits: UInt64 = 0x1800
    private static let doorbell: UInt64 = 0x1900
    private static let enabled: UInt64 = 0x8000

    /// MSI-X and bus master on, vectors masked.
    init() throws {
        function = try PCIFunction.make(.rich, at: .at(4), command: 6)
        function.writeSettled(Self.enabled, at: 0x42, width: .word)
    }

    private func read(_ offset: UInt64, _ width: AccessWidth = .doubleword) -> UInt64 {
        function.peekTrapped(.bar(5), at: offset, width: width)
    }

    @discardableResult
    private mutating func write(_ value: UInt64, _ offset: UInt64, _ width: AccessWidth = .doubleword) -> [MSIMessage] {
        function.writeTrapped(value, .bar(5), at: offset, width: width).messages
    }

    private mutating func program(_ vector: UInt64, isMasked: Bool = false) -> [MSIMessage] {
        let entry = Self.table + 16 * vector
        write(0xfee0_0000, entry)
        write(0, entry + 4)
        write(0x40 + vector, entry + 8)
        return write(isMasked ? 1 : 0, entry + 12)
    }

    private func message(_ vector: UInt32) -> MSIMessage {
        MSIMessage(address: 0xfee0_0000, data: 0x40 + vector)
    }

    @Test func vectorsAreMaskedAfterReset() {
        #expect((0..<70).allSatisfy { read(Self.table + 16 * $0 + 12) == 1 })
        #expect(read(Self.table, .quadword) == 0)
    }

    @Test mutating func tableIsReadAndWrittenBy4And8Bytes() {
        write(0x1122_3344_5566_7788, Self.table + 16, .quadword)
        write(0x0000_0001_dead_beef, Self.table + 24, .quadword)
        #expect(read(Self.table + 16, .quadword) == 0x1122_3344_5566_7788)
        #expect(read(Self.table + 20) == 0x1122_3344)
        #expect(read(Self.table + 24) == 0xdead_beef)
        #expect(read(Self.table + 24, .quadword) == 0x1_dead_beef)
        write(0xffff_ffff, Self.table + 16)
        #expect(read(Self.table + 16) == 0xffff_fffc)
        write(0xffff_ffff, Self.table + 28)
        #expect(read(Self.table + 28) == 1)
    }

    @Test mutating func otherAccessesToTheTableAreRefused() {
        _ = program(0)
        #expect(read(Self.table, .byte) == 0xff)
        #expect(read(Self.table + 2) == 0xffff_ffff)
        #expect(read(Self.table + 4, .quadword) == .max)
        #expect(read(Self.table - 4, .quadword) == .max)
        write(0, Self.table, .word)
        write(0, Self.table - 4, .quadword)
        write(0, Self.table + 4, .quadword)
        #expect(read(Self.table, .quadword) == 0xfee0_0000)
    }

    @Test mutating func doorbellRaisesTheVectorWritten() {
        #expect(program(3).isEmpty)
        for width in AccessWidth.allCases {
            #expect(write(3, Self.doorbell, width) == [message(3)])
        }
        #expect(read(Self.doorbell) == 0)
        #expect(write(3, Self.doorbell + 4).isEmpty)
    }

    @Test(arguments: [70, 71, 0x8000_0000, .max] as [UInt64])
    mutating func doorbellIgnoresVectorsThatDoNotExist(vector: UInt64) {
        _ = program(0)
        #expect(write(vector, Self.doorbell, .quadword).isEmpty)
        #expect(read(Self.pendingBits, .quadword) == 0)
        #expect(function.raise(vector: vector) == nil)
    }

    @Test mutating func maskedVectorPendsAndGoesWhenUnmasked() {
        _ = program(65, isMasked: true)
        #expect(write(65, Self.doorbell).isEmpty)
        #expect(write(65, Self.doorbell).isEmpty)
        #expect(read(Self.pendingBits, .quadword) == 0)
        #expect(read(Self.pendingBits + 8, .quadword) == 2)
        #expect(write(0, Self.table + 16 * 65 + 12) == [message(65)])
        #expect(read(Self.pendingBits + 8) == 0)
    }

    @Test mutating func functionMaskHoldsAllVectors() {
        _ = program(0)
        _ = program(1)
        _ = program(2, isMasked: true)
        function.writeSettled(0xc000, at: 0x42, width: .word)
        for vector in [1, 0, 2] as [UInt64] {
            #expect(write(vector, Self.doorbell).isEmpty)
        }
        #expect(read(Self.pendingBits) == 0b111)
        let outcome = function.writeSettled(0x8000, at: 0x42, width: .word)
        #expect(outcome.messages == [message(0), message(1)])
        #expect(read(Self.pendingBits) == 0b100)
    }

    @Test mutating func messagesTakeBusMaster() {
        _ = program(0)
        function.writeSettled(2, at: 0x04, width: .word)
        #expect(write(0, Self.doorbell).isEmpty)
        #expect(read(Self.pendingBits) == 1)
        #expect(function.writeSettled(6, at: 0x04, width: .word).messages == [message(0)])
    }

    @Test mutating func nothingIsRaisedWhileMSIXIsOff() {
        _ = program(0)
        _ = program(1, isMasked: true)
        write(1, Self.doorbell)
        function.writeSettled(0, at: 0x42, width: .word)
        #expect(write(0, Self.doorbell).isEmpty)
        #expect(read(Self.pendingBits) == 0)
        #expect(function.writeSettled(0x8000, at: 0x42, width: .word).messages.isEmpty)
    }

    @Test mutating func pendingBitsAreReadOnly() {
        write(.max, Self.pendingBits, .quadword)
        #expect(read(Self.pendingBits, .quadword) == 0)
        #expect(read(Self.pendingBits + 4) == 0)
        #expect(read(Self.pendingBits, .word) == 0xffff)
    }

    @Test mutating func quadwordUnmasksWithItsNewData() {
        _ = program(0, isMasked: true)
        write(0, Self.doorbell)
        #expect(write(0x99, Self.table + 8, .quadword) == [MSIMessage(address: 0xfee0_0000, data: 0x99)])
    }

    @Test mutating func otherRegistersReadZero() {
        #expect(write(.max, 0x1ff0, .quadword).isEmpty)
        #expect(read(0x1ff0, .quadword) == 0)
        #expect(read(0x1901, .byte) == 0)
        #expect(function.readTrapped(.bar(3), at: 8, width: .word) == 0)
        #expect(function.readTrapped(.rom, at: 8, width: .word) == 0)
        #expect(read(.max, .quadword) == 0)
    }

    @Test mutating func resetForgetsTheTable() {
        _ = program(0)
        function.reset()
        #expect(read(Self.table, .quadword) == 0)
        #expect(read(Self.table + 12) == 1)
    }
}
