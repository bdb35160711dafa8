import Devices
import PCI
import PCISupport
import Testing

/// MSI (PCI 3.0, 6.8.1); BAR 0 holds the doorbell.
@Suite struct MSITests {
    private var function: PCIFunction
    private static let description = FunctionDescription.plain.with {
        $0.msiVectors = 8
        $0.doorbell = BARLocation(bar: 0, offset: 0)
    }

    /// Bus master on, four of eight vectors allocated and MSI enabled.
    init() throws {
        function = try PCIFunction.make(Self.description, at: .at(4), command: 6)
        enable(allocating: 2)
        write(0xfee0_1003, 0x54)
        write(0x1_0002, 0x58)
        write(0xffff_4047, 0x5c)
    }

    private func read(_ offset: UInt64) -> UInt64 {
        function.peek(at: offset, width: .doubleword)
    }

    @discardableResult
    private mutating func write(_ value: UInt64, _ offset: UInt64) -> AccessOutcome {
        function.writeSettled(value, at: offset, width: .doubleword)
    }

    @discardableResult
    private mutating func enable(allocating logarithm: UInt64) -> AccessOutcome {
        function.writeSettled(logarithm << 4 | 1, at: 0x52, width: .word)
    }

    private func message(_ data: UInt32) -> MSIMessage {
        MSIMessage(address: 0x1_0002_fee0_1000, data: data)
    }

    @Test func capabilityListLinksBoth() throws {
        let only = try PCIFunction(Self.description, at: .at(4))
        #expect(only.peek(at: 0x06, width: .word) == 0x10)
        #expect(only.peek(at: 0x34, width: .byte) == 0x50)
        #expect(only.peek(at: 0x50, width: .doubleword) == 0x0186_0005)
        let both = try PCIFunction(.rich.with { $0.msiVectors = 32 }, at: .at(4))
        #expect(both.peek(at: 0x34, width: .byte) == 0x40)
        #expect(both.peek(at: 0x40, width: .word) == 0x5011)
        #expect(both.peek(at: 0x50, width: .doubleword) == 0x018a_0005)
    }

    @Test(arguments: [(1, 0x1), (2, 0x3), (16, 0xffff), (32, 0xffff_ffff)] as [(Int, UInt64)])
    mutating func registersHaveTheBitsThatMeanSomething(vectors: Int, mask: UInt64) throws {
        function = try PCIFunction(.plain.with { $0.msiVectors = vectors }, at: .at(4))
        for offset in stride(from: UInt64(0x50), through: 0x64, by: 4) {
            write(0xffff_ffff, offset)
        }
        let control = 0x01f1_0005 | UInt64(vectors.trailingZeroBitCount) << 17
        #expect([0x50, 0x54, 0x58].map(read) == [control, 0xffff_fffc, 0xffff_ffff])
        #expect([0x5c, 0x60, 0x64].map(read) == [0xffff, mask, 0])
    }

    @Test mutating func functionWithoutMSIHasNone() throws {
        function = try PCIFunction.make(.plain, at: .at(4), command: 6)
        for offset in stride(from: UInt64(0x50), through: 0x64, by: 4) {
            #expect(write(0xffff_ffff, offset).asksForNothing)
            #expect(read(offset) == 0)
        }
        #expect(!function.isMSIEnabled)
        #expect(function.raise(vector: 0) == nil)
    }

    @Test mutating func enableIsABitOfItsRegister() {
        write(0, 0x50)
        #expect(!function.isMSIEnabled)
        enable(allocating: 0)
        #expect(function.isMSIEnabled)
        enable(allocating: 1)
        #expect(function.isMSIEnabled)
    }

    @Test mutating func vectorIsInTheLowDataBits() {
        #expect((0..<4).map { function.raise(vector: $0) } == (0..<4).map { message(0x4044 + $0) })
        enable(allocating: 0)
        #expect(function.raise(vector: 0) == message(0x4047))
        #expect(function.writeTrapped(0, .bar(0), at: 0, width: .word).messages == [message(0x4047)])
    }

    /// More than there are: all are allocated.
    @Test(arguments: [3, 4, 5, 6, 7] as [UInt64])
    mutating func allVectorsCanBeAllocated(logarithm: UInt64) {
        enable(allocating: logarithm)
        #expect(function.raise(vector: 7) == message(0x4047))
        #expect(function.raise(vector: 2) == message(0x4042))
        #expect(function.raise(vector: 8) == nil)
    }

    @Test mutating func all32VectorsPendAndGo() throws {
        function = try PCIFunction.make(.plain.with { $0.msiVectors = 32 }, at: .at(4), command: 2)
        enable(allocating: 5)
        for vector in (0..<32).reversed() as [UInt64] {
            #expect(function.raise(vector: vector) == nil)
        }
        #expect(read(0x64) == 0xffff_ffff)
        let outcome = function.writeSettled(6, at: 0x04, width: .word)
        #expect(outcome.messages.map(\.data) == Array(0..<32))
        #expect(read(0x64) == 0)
    }

    @Test(arguments: [4, 7, 8, 32, 64, .max] as [UInt64])
    mutating func vectorsThatAreNotAllocatedAreIgnored(vector: UInt64) {
        write(0xff, 0x60)
        #expect(function.raise(vector: vector) == nil)
        #expect(read(0x64) == 0)
    }

    @Test mutating func maskedVectorsPendAndGoWhenUnmasked() {
        write(0b0110, 0x60)
        #expect(function.raise(vector: 2) == nil)
        #expect(function.raise(vector: 1) == nil)
        #expect(function.raise(vector: 1) == nil)
        #expect(function.raise(vector: 0) == message(0x4044))
        #expect(read(0x64) == 0b0110)
        write(0, 0x64)
        #expect(write(0b0010, 0x60).messages == [message(0x4046)])
        #expect(read(0x64) == 0b0010)
        #expect(function.writeSettled(0, at: 0x60, width: .byte).messages == [message(0x4045)])
        #expect(read(0x64) == 0)
    }

    @Test mutating func messagesTakeBusMaster() {
        #expect(function.writeSettled(2, at: 0x04, width: .word).messages.isEmpty)
        #expect(function.raise(vector: 3) == nil)
        #expect(read(0x64) == 0b1000)
        #expect(function.writeSettled(6, at: 0x04, width: .word).messages == [message(0x4047)])
    }

    @Test mutating func nothingPendsThatIsOffOrNotAllocated() {
        write(0b1111, 0x60)
        for vector in [0, 1, 3] as [UInt64] {
            #expect(function.raise(vector: vector) == nil)
        }
        enable(allocating: 1)
        #expect(read(0x64) == 0b0011)
        write(0, 0x50)
        #expect(read(0x64) == 0)
        #expect(function.raise(vector: 0) == nil)
        #expect(write(0, 0x60).asksForNothing)
        #expect(enable(allocating: 2).messages.isEmpty)
    }

    @Test mutating func msixGoesFirst() throws {
        function = try PCIFunction.make(.rich.with { $0.msiVectors = 1 }, at: .at(4), command: 6)
        enable(allocating: 0)
        write(0xfee0_0000, 0x54)
        write(1, 0x60)
        #expect(function.raise(vector: 0) == nil)
        function.writeSettled(0x8000, at: 0x42, width: .word)
        #expect(write(0, 0x60).messages.isEmpty)
        #expect(function.raise(vector: 0) == nil)
        #expect(function.readTrapped(.bar(5), at: 0x1800, width: .doubleword) == 1)
        let outcome = function.writeSettled(0, at: 0x42, width: .word)
        #expect(outcome.messages == [MSIMessage(address: 0xfee0_0000, data: 0)])
        #expect(function.readTrapped(.bar(5), at: 0x1800, width: .doubleword) == 0)
    }

    @Test mutating func resetForgetsAll() {
        write(0xff, 0x60)
        _ = function.raise(vector: 1)
        function.reset()
        #expect([0x50, 0x54, 0x58].map(read) == [0x0186_0005, 0, 0])
        #expect([0x5c, 0x60, 0x64].map(read) == [0, 0, 0])
    }
}
