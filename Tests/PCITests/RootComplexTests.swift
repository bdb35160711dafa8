import Devices
import PCI
import PCISupport
import Testing

@Suite struct RootComplexTests {
    private var root = RootComplex()

    init() throws {
        try root.insert(.rich, at: .at(4))
    }

    /// Points CONFIG_ADDRESS at a register, enabled.
    private mutating func select(_ address: FunctionAddress, _ register: UInt64) {
        let value = 1 << 31 | UInt64(address.requesterID) << 8 | register
        #expect(root.writePort(value, at: 0, width: .doubleword) == nil)
    }

    @Test mutating func portsReachTheFunction() throws {
        try select(.at(4), 0)
        #expect(root.readPort(at: 4, width: .doubleword) == 0x1111_1234)
        #expect(root.readPort(at: 6, width: .word) == 0x1111)
        #expect(root.readPort(at: 7, width: .byte) == 0x11)
        try select(.at(4), 0x04)
        let write = root.writePort(2, at: 4, width: .word)
        #expect(try write?.function == .at(4))
        #expect(write?.proposal?.affectsMemory == true)
        #expect(try root[.at(4)]?.decodesMemory == true)
    }

    @Test mutating func configAddressKeepsWhatWasWritten() throws {
        try select(.at(4), 0x03)
        #expect(root.readPort(at: 0, width: .doubleword) == 0x8000_2003)
        #expect(root.readPort(at: 4, width: .doubleword) == 0x1111_1234)
    }

    /// Test kernels put them into CONFIG_ADDRESS and use the first data port.
    @Test mutating func lowBitsOfTheRegisterChooseTheByte() throws {
        for low in 0..<4 as Range<UInt64> {
            try select(.at(4), low)
            for port in 0..<4 as Range<UInt64> {
                #expect(root.readPort(at: 4 + port, width: .byte) == (0x1111_1234 >> (8 * (low | port))) & 0xff)
            }
        }
        try select(.at(4), 0x02)
        #expect(root.readPort(at: 4, width: .word) == 0x1111)
        #expect(root.readPort(at: 6, width: .word) == 0x1111)
        try select(.at(4), 0x06)
        #expect(root.writePort(0xffff, at: 4, width: .word)?.isEmpty == true)
        #expect(root.readPort(at: 4, width: .word) == 0x10)
        try select(.at(4), 0x3d)
        #expect(root.readPort(at: 4, width: .byte) == 0)
    }

    @Test mutating func configAddressIsADoubleword() throws {
        try select(.at(4), 0)
        for (offset, width) in [(0, .byte), (0, .word), (1, .byte), (2, .word), (0, .quadword)]
            as [(UInt64, AccessWidth)]
        {
            #expect(root.writePort(0, at: offset, width: width) == nil)
            #expect(root.readPort(at: offset, width: width) == width.allOnes)
        }
        #expect(root.readPort(at: 0, width: .doubleword) == 0x8000_2000)
    }

    @Test mutating func dataAnswersWhileConfigAddressIsEnabled() throws {
        let target = try UInt64(FunctionAddress.at(4).requesterID) << 8
        _ = root.writePort(target, at: 0, width: .doubleword)
        #expect(root.readPort(at: 4, width: .doubleword) == 0xffff_ffff)
        #expect(root.writePort(7, at: 4, width: .doubleword) == nil)
    }

    @Test mutating func misalignedDataAccessesAreRefused() throws {
        try select(.at(4), 0)
        #expect(root.readPort(at: 5, width: .word) == 0xffff)
        #expect(root.readPort(at: 6, width: .doubleword) == 0xffff_ffff)
        #expect(root.readPort(at: 4, width: .quadword) == .max)
        #expect(root.readPort(at: 8, width: .byte) == 0xff)
    }

    @Test mutating func memoryReachesTheFunction() throws {
        try root.insert(.plain, at: .at(31, 7, bus: 3))
        let base: UInt64 = 3 << 20 | 31 << 15 | 7 << 12
        #expect(root.readECAM(at: base, width: .doubleword) == 0x5678_1234)
        #expect(root.readECAM(at: base + 0x100, width: .doubleword) == 0)
        let write = root.writeECAM(0xe000_0000, at: base + 0x10, width: .doubleword)
        #expect(try write?.function == .at(31, 7, bus: 3))
        #expect(write?.isEmpty == true)
        #expect(try root[.at(31, 7, bus: 3)]?.base(of: .bar(0)) == 0xe000_0000)
        #expect(root.readECAM(at: base + 0xffe, width: .doubleword) == 0xffff_ffff)
        #expect(root.readECAM(at: RootComplex.ecamSize + base, width: .doubleword) == 0xffff_ffff)
        #expect(root.readECAM(at: .max, width: .byte) == 0xff)
    }

    @Test mutating func absentFunctionReadsAllOnesAndDropsWrites() throws {
        try select(.at(5), 0)
        #expect(root.readPort(at: 4, width: .doubleword) == 0xffff_ffff)
        #expect(root.writePort(7, at: 4, width: .doubleword) == nil)
        #expect(root.readECAM(at: 5 << 15, width: .word) == 0xffff)
        #expect(root.writeECAM(7, at: 5 << 15 | 4, width: .word) == nil)
        let place = TrappedPlace(owner: BAROwner(function: try .at(5), register: .bar(0)), offset: 0)
        #expect(root.readTrapped(place, width: .doubleword) == 0xffff_ffff)
        #expect(root.writeTrapped(0, place, width: .doubleword).asksForNothing)
    }

    @Test mutating func deviceWithOtherFunctionsIsMultifunction() throws {
        func headerTypes() -> [UInt64] {
            (0..<3).map { root.readECAM(at: 4 << 15 | $0 << 12 | 0x0e, width: .byte) }
        }
        #expect(headerTypes() == [0, 0xff, 0xff])
        try root.insert(.plain, at: .at(5, 1))
        #expect(headerTypes() == [0, 0xff, 0xff])
        try root.insert(.plain, at: .at(4, 1))
        #expect(headerTypes() == [0x80, 0x80, 0xff])
        try root.reset(.at(4))
        #expect(headerTypes() == [0x80, 0x80, 0xff])
        try root.remove(.at(4, 1))
        #expect(headerTypes() == [0, 0xff, 0xff])
    }

    @Test mutating func addressHoldsOneFunction() throws {
        #expect(throws: try DescriptionError.addressTaken(.at(4))) { try root.insert(.plain, at: .at(4)) }
        #expect(try root.remove(.at(4)) != nil)
        #expect(try root.remove(.at(4)) == nil)
        try root.insert(.plain, at: .at(4))
        #expect(try root.addresses == [.at(4)])
    }

    @Test mutating func badDescriptionIsRefused() throws {
        let bad = FunctionDescription.plain.with { $0.bars[0]?.size = 5 }
        #expect(throws: DescriptionError.sizeNotPowerOfTwo(.bar(0), size: 5)) { try root.insert(bad, at: .at(6)) }
        #expect(try root[.at(6)] == nil)
    }
}
