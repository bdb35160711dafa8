import Board
import Devices
import PCI
import PCISupport
import PropertySupport
import Testing

/// Who answers at a port: `.rich` has an I/O BAR of 32 ports.
@Suite struct PortTests {
    private var root = RootComplex()

    init() throws {
        try root.insert(.plain, at: .at(3))
        try root.insert(.rich, at: .at(4))
        try root.insert(.rich, at: .at(5))
    }

    /// Moves BAR 2 of a device of bus 0 and writes its command register.
    private mutating func set(_ device: UInt64, base: UInt64, command: UInt64) {
        _ = root.writeECAM(base, at: device << 15 | 0x18, width: .doubleword)
        _ = root.writeECAM(command, at: device << 15 | 0x04, width: .word)
    }

    private func place(_ device: UInt8, _ offset: UInt64) throws -> TrappedPlace {
        TrappedPlace(owner: BAROwner(function: try .at(device), register: .bar(2)), offset: offset)
    }

    @Test mutating func portDecodeSwitchesTheBAR() throws {
        set(4, base: 0xc000, command: 2)
        #expect(root.trappedPort(0xc000, width: .byte) == nil)
        set(4, base: 0xc000, command: 1)
        #expect(root.trappedPort(0xc000, width: .byte) == (try place(4, 0)))
        set(4, base: 0xc040, command: 1)
        #expect(root.trappedPort(0xc000, width: .byte) == nil)
        #expect(root.trappedPort(0xc04c, width: .word) == (try place(4, 12)))
        set(4, base: 0xc040, command: 0)
        #expect(root.trappedPort(0xc04c, width: .word) == nil)
    }

    @Test mutating func refusedChangeLeavesThePortsAlone() throws {
        root.agrees = false
        set(4, base: 0xc000, command: 1)
        #expect(root.trappedPort(0xc000, width: .byte) == nil)
        root.agrees = true
        set(4, base: 0xc000, command: 1)
        root.agrees = false
        set(4, base: 0xc040, command: 0)
        #expect(root.trappedPort(0xc000, width: .byte) == (try place(4, 0)))
        #expect(root.trappedPort(0xc040, width: .byte) == nil)
        #expect(try root[.at(4)]?.base(of: .bar(2)) == 0xc000)
    }

    @Test mutating func theWholeAccessHasToFit() throws {
        set(4, base: 0xc000, command: 1)
        for width in AccessWidth.allCases {
            let last = 0xc020 - UInt64(width.rawValue)
            #expect(root.trappedPort(last, width: width) == (try place(4, last - 0xc000)))
            #expect(root.trappedPort(last + 1, width: width) == nil)
            #expect(root.trappedPort(0xbfff, width: width) == nil)
            #expect(root.trappedPort(.max, width: width) == nil)
        }
    }

    @Test mutating func lowerFunctionWins() throws {
        set(5, base: 0xc000, command: 1)
        set(4, base: 0xc000, command: 1)
        #expect(root.trappedPort(0xc008, width: .doubleword) == (try place(4, 8)))
        try root.reset(.at(4))
        #expect(root.trappedPort(0xc008, width: .doubleword) == (try place(5, 8)))
        try root.remove(.at(5))
        #expect(root.trappedPort(0xc008, width: .doubleword) == nil)
    }

    @Test mutating func portsReadZeroAndDropWrites() throws {
        set(4, base: 0xc000, command: 5)
        let place = try #require(root.trappedPort(0xc004, width: .doubleword))
        #expect(root.writeTrapped(.max, place, width: .doubleword).asksForNothing)
        #expect(root.readTrapped(place, width: .doubleword) == 0)
    }

    @Test mutating func placingIsDecoding() throws {
        let owner = BAROwner(function: try .at(5), register: .bar(2))
        let apertures = Apertures(low: try range(0xc000_0000, 0x1000_0000))
        let assigned = try AddressAssigner(apertures).assign([.at(5): .rich])
        root.place(assigned, enabling: false)
        #expect(root.trappedPort(0xc000, width: .byte) == nil)
        root.place(assigned, enabling: true)
        #expect(root.trappedPort(0xc01f, width: .byte) == TrappedPlace(owner: owner, offset: 0x1f))
    }

    /// What the index says is what the registers say, whatever the guest writes.
    @Test(arguments: propertySeeds)
    mutating func indexFollowsTheRegisters(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var found = 0
        for step in 0..<20_000 {
            let device = UInt8(4 + random.next() % 2)
            switch random.next() % 64 {
            case 0: try root.reset(.at(device))
            case 1: try root.remove(.at(device))
            case 2: try? root.insert(.rich, at: .at(device))
            default:
                let base = random.next() % 16 == 0 ? random.next() : 0xc000 + random.next() % 8 * 16
                set(UInt64(device), base: base, command: random.next() % 2)
            }
            let port = 0xbff8 + random.next() % 0xa0
            let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
            let expected = placeByRegisters(port, width)
            try #require(root.trappedPort(port, width: width) == expected, "seed \(seed), step \(step)")
            found += expected == nil ? 0 : 1
        }
        #expect(found > 1000, "seed \(seed)")
    }

    private func placeByRegisters(_ port: UInt64, _ width: AccessWidth) -> TrappedPlace? {
        for address in root.addresses {
            guard let function = root[address], function.isDecoded(.bar(2)), function.description.bars[2] != nil else {
                continue
            }
            let base = function.base(of: .bar(2))
            if base <= port, port + UInt64(width.rawValue) <= base + 32 {
                return TrappedPlace(owner: BAROwner(function: address, register: .bar(2)), offset: port - base)
            }
        }
        return nil
    }
}
