import Devices
import Testing

@testable import PCI

@Suite struct ConfigAddressTests {
    /// The low bits that a guest leaves in CONFIG_ADDRESS, those of the port, and the register that it means.
    @Test(
        arguments: [
            (0x10, 0, .doubleword, 0x10), (0x02, 0, .word, 2), (0x00, 2, .word, 2), (0x02, 2, .word, 2),
            (0x03, 3, .byte, 3), (0x01, 0, .byte, 1), (0x01, 2, .byte, 3), (0x0e, 2, .byte, 0x0e),
            // No doubleword lies there, and hardware would look at the port alone.
            (0x12, 0, .doubleword, 0x10), (0x01, 0, .word, 0), (0xff, 3, .byte, 0xff),
        ] as [(UInt32, UInt64, AccessWidth, UInt64)])
    func register(low: UInt32, port: UInt64, width: AccessWidth, register: UInt64) {
        let target = ConfigAddress(rawValue: 1 << 31 | 0x800 | low).target(at: 4 + port, width: width)
        #expect(target == ConfigTarget(function: FunctionAddress(requesterID: 8), register: register))
    }

    @Test func whatIsNotAligned() {
        let address = ConfigAddress(rawValue: 1 << 31)
        #expect(address.target(at: 5, width: .word) == nil && address.target(at: 6, width: .doubleword) == nil)
        #expect(address.target(at: 4, width: .quadword) == nil && address.target(at: 3, width: .byte) == nil)
    }
}
