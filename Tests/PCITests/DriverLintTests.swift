import Devices
import Testing

@testable import PCI

/// Each rule, broken and kept.
@Suite struct DriverLintTests {
    @Test func aCleanDriverGivesNoLine() throws {
        let rules = try CheckedDriver.rules { driver in
            for register in [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24] as [UInt64] { driver.size(register) }
            driver.size(0x30, 0xffff_f800)
            driver.write(0x20_0000_0000 & 0xffff_ffff, at: 0x10)
            driver.write(0x20, at: 0x14)
            driver.write(7, at: CheckedDriver.command, .word)
            driver.write(0xff, at: 0x3c, .byte)
            driver.write(0x10, at: 0x0c, .byte)
            driver.writeEntry(0)
            driver.write(0x8000, at: CheckedDriver.msix + 2, .word)
            driver.access(5, at: 0x1900, .doubleword, 0)
            driver.access(3, at: 0x10)
            driver.access(2, at: 4, .byte)
            driver.miss(0xd000_8000)
            driver.miss(0x80, isPort: true)
        }
        #expect(rules.isEmpty)
    }

    // MARK: Sizing

    @Test func sizingWithDecodeOn() throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.size(0x1c)
                $0.size(0x1c)
            } == [.sizingWithDecodeOn])
        // Ports are not decoded, memory is.
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.size(0x18)
            }.isEmpty)
    }

    @Test func upperHalfNotSized() throws {
        #expect(
            try CheckedDriver.rules {
                $0.size(0x10)
                $0.write(2, at: CheckedDriver.command, .word)
            } == [.upperHalfNotSized])
        #expect(
            try CheckedDriver.rules {
                $0.size(0x10)
                $0.size(0x14)
                $0.write(2, at: CheckedDriver.command, .word)
            }.isEmpty)
    }

    @Test(arguments: [0x10, 0x14, 0x1c] as [UInt64])
    func barNotRestored(register: UInt64) throws {
        let rules = try CheckedDriver.rules {
            $0.size(0x10)
            $0.size(0x14)
            $0.write(0xffff_ffff, at: register)
            $0.write(2, at: CheckedDriver.command, .word)
        }
        #expect(rules == [.barNotRestored])
    }

    @Test func aBARMayBeRestoredInParts() throws {
        let rules = try CheckedDriver.rules {
            $0.write(0xffff_ffff, at: 0x1c)
            $0.write(0x0000, at: 0x1c, .word)
            $0.write(0xd000, at: 0x1e, .word)
            $0.write(2, at: CheckedDriver.command, .word)
        }
        #expect(rules.isEmpty)
    }

    // MARK: Addresses

    @Test func lowBitsOfAPortBAR() throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(1, at: CheckedDriver.command, .word)
                $0.access(2, at: 5, .doubleword)
            } == [.lowBitsOfBAR])
        #expect(
            try CheckedDriver.rules {
                $0.write(1, at: CheckedDriver.command, .word)
                $0.access(2, at: 5, .byte)
                $0.access(2, at: 6, .word)
            }.isEmpty)
    }

    @Test func lowBitsOfAMemoryBAR() throws {
        // BAR 4 is prefetchable: its low bits are 8.
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                for offset in [0x8, 0x18, 0x28] as [UInt64] { $0.access(4, at: offset) }
            } == [.lowBitsOfBAR])
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                for offset in [0x8, 0x0, 0x18, 0x28, 0x38] as [UInt64] { $0.access(4, at: offset) }
            }.isEmpty)
    }

    @Test(
        arguments: [
            (0x1c, 0xfec0_0000, .outsideAperture), (0x1c, 0xc000_0000, .outsideAperture), (0x1c, 0x10_0000, .overRAM),
            (0x1c, 0xd010_1000, .overlap), (0x1c, 0xd000_4000, .overlap), (0x1c, 0xe000_0000, nil),
        ] as [(UInt64, UInt64, LintRule?)], [false, true])
    func placement(placement: (register: UInt64, base: UInt64, rule: LintRule?), isDecoded: Bool) throws {
        let rules = try CheckedDriver.rules {
            if isDecoded { $0.write(2, at: CheckedDriver.command, .word) }
            $0.write(placement.base, at: placement.register)
            if !isDecoded { $0.write(2, at: CheckedDriver.command, .word) }
            $0.write(0, at: 0x3c, .byte)
        }
        // BARs that are shown together lie over each other.
        #expect(Set(rules) == Set(placement.rule.map { [$0] } ?? []))
    }

    @Test func bothHalvesAreMovedBeforeTheyAreJudged() throws {
        let rules = try CheckedDriver.rules {
            $0.write(2, at: CheckedDriver.command, .word)
            // Between the two writes it lies at 0x10_f000_0000, which would do, and at 0x0_0000_0000, which would not.
            $0.write(0, at: 0x14)
            $0.write(0xe000_0000, at: 0x10)
            $0.access(3, at: 0)
        }
        #expect(rules.isEmpty)
    }

    @Test func portsOutsideOfWhatBARsCanHave() throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(0x3f8, at: 0x18)
                $0.write(1, at: CheckedDriver.command, .word)
            } == [.outsideAperture])
        #expect(
            try CheckedDriver.rules {
                $0.write(0x2000, at: 0x18)
                $0.write(1, at: CheckedDriver.command, .word)
            }.isEmpty)
    }

    @Test func accessWithDecodeOff() throws {
        #expect(try CheckedDriver.rules { $0.miss(0xd000_0010) } == [.accessWithDecodeOff])
        #expect(try CheckedDriver.rules { $0.miss(0xc01f, isPort: true) } == [.accessWithDecodeOff])
        #expect(try CheckedDriver.rules { $0.miss(0xc020, isPort: true) }.isEmpty)
        // The second function decodes what it has there.
        #expect(try CheckedDriver.rules { $0.miss(0xd010_0000) }.isEmpty)
    }
}
