import Devices
import PCI
import PCISupport
import Testing

@Suite struct ConfigSpaceTests {
    private var function: PCIFunction

    init() throws {
        function = try PCIFunction(.rich, at: .at(4))
    }

    private func read(_ offset: UInt64) -> UInt64 {
        function.peek(at: offset, width: .doubleword)
    }

    private mutating func write(_ value: UInt64, at offset: UInt64) {
        function.writeSettled(value, at: offset, width: .doubleword)
    }

    @Test func headerTellsTheIdentity() throws {
        let plain = try PCIFunction(.plain, at: .at(4))
        #expect(plain.peek(at: 0x00, width: .word) == 0x1234)
        #expect(plain.peek(at: 0x02, width: .word) == 0x5678)
        #expect(plain.peek(at: 0x08, width: .doubleword) == 0x0580_0003)
        #expect(plain.peek(at: 0x0e, width: .byte) == 0)
        #expect(plain.peek(at: 0x06, width: .word) == 0)
        #expect(plain.peek(at: 0x34, width: .byte) == 0)
    }

    @Test mutating func identityIsReadOnly() {
        for offset in [0x00, 0x08, 0x2c, 0x34, 0x44, 0x48] as [UInt64] {
            let before = read(offset)
            write(~before & 0xffff_ffff, at: offset)
            #expect(read(offset) == before)
        }
    }

    @Test mutating func commandHasTheBitsThatMeanSomething() {
        write(0xffff_ffff, at: 0x04)
        #expect(function.peek(at: 0x04, width: .word) == 0x0407)
        #expect(function.decodesPorts && function.decodesMemory && function.isBusMaster)
        #expect(function.peek(at: 0x06, width: .word) == 0x10)
    }

    @Test mutating func interruptLineAndCacheLineSizeAreScratch() {
        write(0xffff_ffff, at: 0x3c)
        write(0xffff_ffff, at: 0x0c)
        #expect(read(0x3c) == 0xff)
        #expect(read(0x0c) == 0xff)
    }

    @Test mutating func bytesOfARegisterAreWrittenAlone() {
        write(0x1122_3344, at: 0x10 + 4 * 4)
        function.writeSettled(0xaa, at: 0x10 + 4 * 4 + 2, width: .byte)
        #expect(read(0x20) == 0x11aa_2008)
        #expect(function.peek(at: 0x22, width: .word) == 0x11aa)
        #expect(function.peek(at: 0x23, width: .byte) == 0x11)
    }

    @Test mutating func misalignedAccessesAreRefused() {
        #expect(function.peek(at: 0x01, width: .word) == 0xffff)
        #expect(function.peek(at: 0x02, width: .doubleword) == 0xffff_ffff)
        #expect(function.peek(at: 0x00, width: .quadword) == .max)
        #expect(function.write(0xffff, at: 0x05, width: .word).isEmpty)
        #expect(function.write(0xffff, at: 0x03, width: .doubleword).isEmpty)
        #expect(function.write(.max, at: 0x00, width: .quadword).isEmpty)
        #expect(function.peek(at: 0x04, width: .word) == 0)
    }

    /// Zero says that there are no extended capabilities (PCIe, 7.9.1).
    @Test mutating func extendedSpaceIsEmpty() {
        for width in [AccessWidth.byte, .word, .doubleword] {
            for offset in stride(from: UInt64(0x100), to: 0x1000, by: width.rawValue) {
                #expect(function.write(.max, at: offset, width: width).isEmpty)
                #expect(function.peek(at: offset, width: width) == 0)
            }
        }
        #expect(function.write(.max, at: 0x100, width: .quadword).isEmpty)
        #expect(function.peek(at: 0x100, width: .quadword) == .max)
        #expect(function.peek(at: 0x101, width: .word) == 0xffff)
        #expect(function.peek(at: 0xffe, width: .doubleword) == 0xffff_ffff)
        for width in AccessWidth.allCases {
            #expect(function.write(.max, at: 0x1000, width: width).isEmpty)
            #expect(function.peek(at: 0x1000, width: width) == width.allOnes)
            #expect(function.peek(at: .max, width: width) == width.allOnes)
        }
    }

    @Test func capabilityListHoldsMSIX() {
        #expect(function.peek(at: 0x34, width: .byte) == 0x40)
        #expect(function.peek(at: 0x40, width: .word) == 0x0011)
        #expect(function.peek(at: 0x42, width: .word) == 69)
        #expect(read(0x44) == 0x1005)
        #expect(read(0x48) == 0x1805)
    }

    @Test mutating func messageControlHasTwoWritableBits() {
        write(0xffff_ffff, at: 0x40)
        #expect(read(0x40) == 0xc045_0011)
        #expect(function.isMSIXEnabled && function.isMSIXFunctionMasked)
    }

    // MARK: Sizing, as firmware does it (PCI 3.0, 6.2.5.1)

    @Test mutating func firmwareFindsEverySize() {
        var sizes: [Int: UInt64] = [:]
        var number = 0
        while number < 6 {
            let offset = 0x10 + 4 * UInt64(number)
            let original = read(offset)
            write(0xffff_ffff, at: offset)
            let low = read(offset)
            write(original, at: offset)
            let isWide = low & 7 == 4
            if low & 1 == 1 {
                sizes[number] = ~(low & ~3) & 0xffff_ffff &+ 1
            } else if isWide {
                write(0xffff_ffff, at: offset + 4)
                sizes[number] = ~(read(offset + 4) << 32 | low & ~0xf) &+ 1
                write(0, at: offset + 4)
            } else if low != 0 {
                sizes[number] = (~(low & ~0xf) & 0xffff_ffff) + 1
            }
            number += isWide ? 2 : 1
        }
        #expect(sizes == [0: 0x10_0000, 2: 32, 3: 256, 4: 0x2000, 5: 0x4000])

        write(0xffff_fffe, at: 0x30)
        #expect(read(0x30) == 0xffff_0000)
        #expect(!function.isROMEnabled)
    }

    @Test func typesAreInTheLowBits() {
        #expect([0x10, 0x18, 0x1c, 0x20, 0x24].map(read) == [0xc, 0x1, 0x0, 0x8, 0x0])
    }

    @Test mutating func largeBARsSizeByTheirUpperHalf() throws {
        let huge = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 1 << 40) }
        function = try PCIFunction(huge, at: .at(4))
        write(0xffff_ffff, at: 0x10)
        write(0xffff_ffff, at: 0x14)
        #expect(read(0x10) == 0x4)
        #expect(read(0x14) == 0xffff_ff00)
        write(0x340, at: 0x14)
        #expect(function.base(of: .bar(0)) == 0x300 << 32)
    }

    @Test mutating func romEnableIsABitOfItsRegister() {
        write(0xfeb1_0001, at: 0x30)
        #expect(read(0x30) == 0xfeb1_0001)
        #expect(function.isROMEnabled)
        #expect(function.base(of: .rom) == 0xfeb1_0000)
        #expect(!function.isDecoded(.rom))
        write(2, at: 0x04)
        #expect(function.isDecoded(.rom))
    }

    @Test mutating func setBaseWritesBothHalvesAndKeepsTheEnableBit() {
        write(1, at: 0x30)
        function.setBase(of: .rom, to: 0xfeb0_ffff)
        #expect(read(0x30) == 0xfeb0_0001)
        function.setBase(of: .bar(0), to: 0x12_3456_789a)
        #expect(function.base(of: .bar(0)) == 0x12_3450_0000)
        function.setBase(of: .bar(1), to: 0xffff_ffff)
        #expect(function.base(of: .bar(0)) == 0x12_3450_0000)
    }

    @Test mutating func resetForgetsAllButTheMultifunctionBit() throws {
        write(0xffff_ffff, at: 0x04)
        write(0xffff_ffff, at: 0x24)
        function.reset()
        #expect(read(0x04) == 0x10_0000)
        #expect(read(0x24) == 0)
    }
}
