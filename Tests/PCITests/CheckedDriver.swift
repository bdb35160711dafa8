import Board
import Devices
import PCISupport

@testable import PCI

/// A driver that is checked, with two functions: the first is `rich` with MSI, the second `plain`.
struct CheckedDriver {
    private var functions: [PCIFunction]
    private var lint: DriverLint
    private(set) var findings: [LintFinding] = []

    static let command: UInt64 = 0x04
    static let msi: UInt64 = 0x50
    static let msix: UInt64 = 0x40

    /// Both functions have addresses, and the second one is decoded.
    init() throws {
        let rich = FunctionDescription.rich.with { $0.msiVectors = 4 }
        let bases: [BaseAddressRegister: UInt64] = [
            .bar(0): 0x10_0000_0000, .bar(2): 0xc000, .bar(3): 0xd000_0000, .bar(4): 0xd000_2000, .bar(5): 0xd000_4000,
            .rom: 0xd001_0000,
        ]
        functions = [
            try .make(rich, at: .at(1), bases: bases),
            try .make(.plain, at: .at(2), command: 2, bases: [.bar(0): 0xd010_0000]),
        ]
        let board = try AddressMap(memory: 16 << 20, addressBits: 40)
        lint = DriverLint(board: board, functions: functions)
    }

    var rules: [LintRule] { findings.map(\.rule) }

    mutating func write(_ value: UInt64, at offset: UInt64, _ width: AccessWidth = .doubleword, of index: Int = 0) {
        let before = functions[index]
        functions[index].writeSettled(value, at: offset, width: width)
        findings += lint.noteWrite(value, at: offset, width: width, before: before, after: functions[index])
    }

    mutating func access(
        _ bar: Int, at offset: UInt64, _ width: AccessWidth = .doubleword, _ value: UInt64? = nil
    ) {
        if let value { _ = functions[0].writeTrapped(value, .bar(bar), at: offset, width: width) }
        findings += lint.noteAccess(functions[0], .bar(bar), at: offset, width: width, written: value)
    }

    mutating func miss(_ address: UInt64, isPort: Bool = false) {
        findings += lint.noteUnclaimed(at: address, isPort: isPort)
    }

    /// Sizes a register: all ones, and back to what it was.
    mutating func size(_ register: UInt64, _ ones: UInt64 = 0xffff_ffff) {
        let value = functions[0].peek(at: register, width: .doubleword)
        write(ones, at: register)
        write(value, at: register)
    }

    /// Writes an entry of the MSI-X table.
    mutating func writeEntry(_ number: UInt64, address: UInt64 = 0xfee0_0000, control: UInt64 = 0) {
        for (index, value) in [address, 0, 0x41, control].enumerated() {
            access(5, at: 0x1000 + 16 * number + 4 * UInt64(index), .doubleword, value)
        }
    }

    /// Returns the rules that a new driver breaks by what it does.
    static func rules(_ drive: (inout CheckedDriver) -> Void) throws -> [LintRule] {
        var driver = try CheckedDriver()
        drive(&driver)
        return driver.rules
    }
}
