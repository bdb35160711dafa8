import Board
import Devices
import PCISupport
import PropertySupport
import Testing

@testable import PCI

/// The rules about interrupts and registers, broken and kept.
@Suite struct DriverLintInterruptTests {
    @Test func msixTableNotWritten() throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(6, at: CheckedDriver.command, .word)
                $0.write(0x8000, at: CheckedDriver.msix + 2, .word)
                $0.writeEntry(0)
            } == [.msixTableNotWritten])
        // Masked first, as Linux does it.
        #expect(
            try CheckedDriver.rules {
                $0.write(6, at: CheckedDriver.command, .word)
                $0.write(0xc000, at: CheckedDriver.msix + 2, .word)
                $0.writeEntry(0)
                $0.write(0x8000, at: CheckedDriver.msix + 2, .word)
            }.isEmpty)
    }

    @Test(arguments: [(AccessWidth.byte, 0), (.word, 4), (.doubleword, 2), (.quadword, 4)] as [(AccessWidth, UInt64)])
    func msixTableWidth(width: AccessWidth, offset: UInt64) throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.access(5, at: 0x1000 + offset, width)
            } == [.msixTableWidth])
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.access(5, at: 0x1000, .quadword)
                $0.access(5, at: 0x100c, .doubleword)
            }.isEmpty)
    }

    @Test func msixAddressZero() throws {
        for address in [UInt64(0), 0xfee0_0000] {
            let rules = try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.writeEntry(3, address: address)
            }
            #expect(rules == (address == 0 ? [.msixAddressZero] : []))
        }
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.access(5, at: 0x1008, .quadword, 0)
            } == [.msixAddressZero])
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.writeEntry(3, address: 0, control: 1)
            }.isEmpty)
    }

    @Test func msiDataMisaligned() throws {
        for (data, allocated, rule) in [(0x42, 2, true), (0x44, 2, false), (0x42, 0, false)] as [(UInt64, UInt64, Bool)]
        {
            let rules = try CheckedDriver.rules {
                $0.write(6, at: CheckedDriver.command, .word)
                $0.write(0xfee0_0000, at: CheckedDriver.msi + 4)
                $0.write(data, at: CheckedDriver.msi + 12, .word)
                $0.write(1 | allocated << 4, at: CheckedDriver.msi + 2, .word)
            }
            #expect(rules == (rule ? [.msiDataMisaligned] : []))
        }
    }

    @Test func notBusMaster() throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(2, at: CheckedDriver.command, .word)
                $0.writeEntry(0)
                $0.write(0x8000, at: CheckedDriver.msix + 2, .word)
                $0.access(3, at: 0)
            } == [.notBusMaster])
        #expect(
            try CheckedDriver.rules {
                $0.write(6, at: CheckedDriver.command, .word)
                $0.write(1, at: CheckedDriver.msi + 2, .word)
                $0.write(2, at: CheckedDriver.command, .word)
            } == [.notBusMaster])
        #expect(
            try CheckedDriver.rules {
                $0.write(6, at: CheckedDriver.command, .word)
                $0.write(1, at: CheckedDriver.msi + 2, .word)
                $0.write(0, at: CheckedDriver.msi + 2, .word)
                $0.write(2, at: CheckedDriver.command, .word)
                $0.access(3, at: 0)
            }.isEmpty)
    }

    // MARK: Registers

    @Test(
        arguments: [
            (0x00, .doubleword), (0x02, .word), (0x34, .byte), (0x3d, .byte), (0x44, .doubleword), (0xf0, .byte),
        ]
            as [(UInt64, AccessWidth)])
    func readOnlyRegister(offset: UInt64, width: AccessWidth) throws {
        #expect(
            try CheckedDriver.rules {
                $0.write(0x77, at: offset, width)
                $0.write(0x78, at: offset, width)
            } == [.readOnlyRegister])
    }

    @Test(
        "software looks for what a bridge may have, and clears its secondary status",
        arguments: [0x1e, 0x30, 0x38, 0x3e] as [UInt64])
    func bridge(offset: UInt64) throws {
        var function = try PCIFunction(.bridge(1), at: .at(3))
        var lint = DriverLint(board: try AddressMap(memory: 16 << 20, addressBits: 40), functions: [function])
        func write(at offset: UInt64) -> [LintFinding] {
            let before = function
            function.writeSettled(0xffff, at: offset, width: .word)
            return lint.noteWrite(0xffff, at: offset, width: .word, before: before, after: function)
        }
        #expect(write(at: offset).isEmpty)
        #expect(write(at: 0x34).map(\.rule) == [.readOnlyRegister])
    }

    @Test func writesThatKeepWhatIsReadOnly() throws {
        let rules = try CheckedDriver.rules {
            $0.write(0x1111_1234, at: 0)
            $0.write(0xffff_0000, at: CheckedDriver.command)
            $0.write(0x147, at: CheckedDriver.command, .word)
            $0.write(0x40, at: 0x0d, .byte)
            $0.write(0x0b, at: 0x3c, .word)
            $0.write(0xffff_ffff, at: 0x28)
        }
        #expect(rules == [.readOnlyRegister])
    }

    @Test func aFindingSaysWhereAndWhy() throws {
        var driver = try CheckedDriver()
        driver.write(2, at: CheckedDriver.command, .word)
        driver.size(0x1c)
        let text = try #require(driver.findings.first).description
        #expect(text.hasPrefix("00:01.0 register 0x1c: sizingWithDecodeOn: "))
        #expect(text.hasSuffix(" (PCI 3.0, 6.2.5.1)"))
        #expect(LintRule.allCases.allSatisfy { !$0.words.contains("\n") })
    }

    // MARK: Anything

    /// Whatever software does, nothing traps, and each rule is found once at a register.
    @Test(arguments: propertySeeds)
    func anythingIsJudgedOnce(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var driver = try CheckedDriver()
        for _ in 0..<3000 {
            let width = AccessWidth.allCases.randomElement(using: &random) ?? .byte
            let values: [UInt64] = [0, 7, 0xffff_ffff, 0x1_0000, .random(in: .min ... .max, using: &random)]
            let value = values.randomElement(using: &random) ?? 0
            let offset = UInt64.random(in: 0..<0x60, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: driver.access(5, at: 0x1000 + offset, width, value)
            case 1: driver.access([2, 3, 4].randomElement(using: &random) ?? 2, at: offset, width)
            case 2: driver.miss(value, isPort: offset & 1 != 0)
            case 3: driver.access(5, at: value, width, nil)
            default: driver.write(value, at: offset, width, of: Int(offset & 1))
            }
        }
        #expect(Set(driver.findings).count == driver.findings.count, "seed \(seed)")
        #expect(Set(driver.rules).count > 8, "seed \(seed): \(Set(driver.rules))")
    }
}
