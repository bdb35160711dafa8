import Devices
import PropertySupport
import Testing

@Suite struct ScratchMemoryTests {
    /// Like bytes of memory, at every offset and width; an access that does not fit reads all ones.
    @Test(arguments: propertySeeds, [UInt64(4), 64 << 10])
    func keepsWhatIsWritten(seed: UInt64, size: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var memory = ScratchMemory(size: size)
        var model = [UInt8](repeating: 0, count: Int(size))
        for step in 0..<5000 {
            let offset = step % 50 == 0 ? random.next() : random.next() % min(size, 40)
            let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
            let value = random.next()
            let fits = offset < size && UInt64(width.rawValue) <= size - offset
            if Bool.random(using: &random) {
                #expect(memory.write(value, at: offset, width: width) == .none)
                for lane in 0..<(fits ? width.rawValue : 0) {
                    model[Int(offset) + lane] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(lane)))
                }
            }
            var expected = width.allOnes
            if fits {
                let bytes = model[Int(offset)..<Int(offset) + width.rawValue]
                expected = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
            try #require(memory.read(at: offset, width: width).value == expected, "seed \(seed), step \(step)")
        }
    }

    @Test func aByteToTheFirstPortMarksAPhase() {
        var ports = ScratchMemory(size: 4, marksPhases: true)
        #expect(ports.write(3, at: 0, width: .byte) == DeviceEffects(phase: 3))
        #expect(ports.read(at: 0, width: .byte) == DeviceReply(3))
        #expect(ports.write(3, at: 1, width: .byte) == .none)
        #expect(ports.write(0x0403, at: 0, width: .word) == .none)
    }
}

@Suite struct InterruptLinePortsTests {
    private let ports = InterruptLinePorts()

    @Test(arguments: [UInt8(0), 4, 23])
    func theValueIsTheLevel(line: UInt8) {
        let raised = DeviceEffects(line: InterruptLine(irq: line, isRaised: true))
        let lowered = DeviceEffects(line: InterruptLine(irq: line, isRaised: false))
        #expect(ports.write(1, at: UInt64(line), width: .byte) == raised)
        #expect(ports.write(0x80, at: UInt64(line), width: .byte) == raised)
        #expect(ports.write(0x100, at: UInt64(line), width: .byte) == lowered)
    }

    @Test func thereAreNoOthers() {
        #expect(ports.write(1, at: 24, width: .byte) == .none)
        #expect(ports.write(1, at: .max, width: .byte) == .none)
        #expect(ports.read(at: 0, width: .byte) == DeviceReply(0xff))
    }
}

@Suite final class FirmwareConfigurationTests {
    private var device = FirmwareConfiguration(ramSize: 0x1_2345_6789, processors: 300)

    private func item(_ key: UInt64, bytes: Int) -> [UInt8] {
        #expect(device.write(key, at: 0, width: .word) == .none)
        return (0..<bytes).map { _ in UInt8(device.read(at: 1, width: .byte).value) }
    }

    @Test func items() {
        #expect(item(0, bytes: 6) == Array("QEMU".utf8) + [0, 0])
        #expect(item(1, bytes: 4) == [1, 0, 0, 0])
        #expect(item(3, bytes: 8) == [0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0])
        #expect(item(5, bytes: 4) == [44, 1, 0, 0])
        #expect(item(0xf, bytes: 2) == [44, 1])
        #expect(item(0x19, bytes: 4) == [0, 0, 0, 0])
        #expect(item(0x8000, bytes: 2) == [0, 0])
    }

    @Test func aSelectionStartsAtTheFirstByte() {
        #expect(item(0, bytes: 2) == Array("QE".utf8))
        #expect(item(0, bytes: 2) == Array("QE".utf8))
    }

    @Test func onlyWordsSelectAndOnlyBytesAreRead() {
        _ = item(5, bytes: 0)
        _ = device.write(0, at: 0, width: .byte)
        _ = device.write(0, at: 1, width: .byte)
        #expect(device.read(at: 0, width: .word) == DeviceReply(0xffff))
        #expect(device.read(at: 1, width: .byte) == DeviceReply(44))
    }
}

@Suite struct UnclaimedAccessTests {
    @Test func eachIsNamedOnce() {
        var accesses = UnclaimedAccesses()
        let read = UnclaimedAccess(address: 0x80, width: .byte, isWrite: false)
        let write = UnclaimedAccess(address: 0x80, width: .byte, isWrite: true)
        let wide = UnclaimedAccess(address: 0x80, width: .word, isWrite: false)
        #expect([read, write, wide].allSatisfy { accesses.note($0) })
        for _ in 0..<3 {
            #expect(![read, write, wide].contains { accesses.note($0) })
        }
    }

    @Test func aGuestThatTriesAllFillsNothing() {
        var accesses = UnclaimedAccesses()
        let noted = (0..<10_000 as Range<UInt64>).count { address in
            accesses.note(UnclaimedAccess(address: address, width: .byte, isWrite: false))
        }
        #expect(noted == 4096)
    }
}
