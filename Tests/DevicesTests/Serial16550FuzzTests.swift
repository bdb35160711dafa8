import Devices
import PropertySupport
import Testing

/// Random guests and hosts: nothing traps, and the line is where the registers say it is.
@Suite struct Serial16550FuzzTests {
    private static let stepsPerSeed = 500_000

    @Test(arguments: propertySeeds)
    func lineFollowsTheRegisters(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var serial = Serial16550()
        var isRaised = false

        func apply(_ effects: DeviceEffects) throws {
            guard let line = effects.line else { return }
            try #require(line.irq == 4 && line.isRaised != isRaised)
            isRaised = line.isRaised
        }
        for _ in 0..<Self.stepsPerSeed {
            let bits = random.next()
            try apply(step(&serial, bits))
            guard bits >> 60 == 0 else { continue }

            // Enabled and pending, and let through by OUT2 without loopback.
            let reachesPin = serial.input(Port.mcr) & 0x18 == 0x08
            let isIERVisible = serial.input(Port.lcr) & 0x80 == 0
            let ier = isIERVisible ? serial.input(Port.ier) : 0x0f
            let iir = serial.read(at: Port.iir, width: .byte)
            let enable = Self.enableBit(UInt8(truncatingIfNeeded: iir.value))
            try #require(enable & ier == enable)
            try #require(isRaised == (enable != 0 && reachesPin))
            try apply(iir.effects)
        }
    }

    /// One access or received byte, out of the bits of a random number.
    private func step(_ serial: inout Serial16550, _ bits: UInt64) -> DeviceEffects {
        let widths: [AccessWidth] = [.byte, .byte, .byte, .byte, .byte, .word, .doubleword, .quadword]
        let width = widths[Int(bits >> 4 & 7)]
        // Rarely an offset that no bus would let through.
        let offset = bits >> 8 & 0xff == 0 ? UInt64.max &- (bits >> 16 & 7) : bits >> 16 & 7
        let value = bits >> 24
        return switch bits & 15 {
        case 0..<4: serial.receive(UInt8(truncatingIfNeeded: value))
        case 4..<9: serial.read(at: offset, width: width).effects
        default: serial.write(value, at: offset, width: width)
        }
    }

    /// The bit of IER that allows the interrupt in `iir`; 0 where none is pending.
    private static func enableBit(_ iir: UInt8) -> UInt8 {
        switch iir & 0x0f {
        case 0x06: 0x04
        case 0x04, 0x0c: 0x01
        case 0x02: 0x02
        case 0x00: 0x08
        default: 0
        }
    }
}
