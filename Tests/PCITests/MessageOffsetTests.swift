import Devices
import PCI
import PCISupport
import PropertySupport
import Testing

/// MSI and MSI-X at other offsets do what they do at the usual ones.
@Suite struct MessageOffsetTests {
    private struct Offsets {
        var msix: UInt64
        var msi: UInt64

        static let usual = Offsets(msix: 0x40, msi: 0x50)
    }

    private static func function(_ offsets: Offsets) throws -> PCIFunction {
        let description = FunctionDescription.rich.with {
            $0.msiVectors = 8
            $0.msixOffset = offsets.msix
            $0.msiOffset = offsets.msi
        }
        return try PCIFunction(description, at: .at(4))
    }

    /// Random places that do not overlap.
    private static func offsets(using random: inout SplitMix64) -> Offsets {
        while true {
            let msix = UInt64.random(in: 16...61, using: &random) * 4
            let msi = UInt64.random(in: 16...58, using: &random) * 4
            if msix + 12 <= msi || msi + 24 <= msix { return Offsets(msix: msix, msi: msi) }
        }
    }

    @Test(arguments: propertySeeds)
    func anyOffsetIsAsGood(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var messages = 0
        for _ in 0..<40 {
            let offsets = Self.offsets(using: &random)
            var usual = try Self.function(.usual)
            var moved = try Self.function(offsets)
            for step in 0..<400 {
                let comment: Comment = "seed \(seed), step \(step), \(offsets)"
                let (expected, found) = Self.step(&usual, &moved, offsets, &random)
                try #require(found == expected, comment)
                messages += expected.messages.count
                for register in stride(from: UInt64(0), to: 12, by: 4) {
                    try #require(
                        Self.register(moved, offsets.msix + register, isFirst: register == 0)
                            == Self.register(usual, 0x40 + register, isFirst: register == 0), comment)
                }
                for register in stride(from: UInt64(0), to: 24, by: 4) {
                    try #require(
                        Self.register(moved, offsets.msi + register, isFirst: register == 0)
                            == Self.register(usual, 0x50 + register, isFirst: register == 0), comment)
                }
                try #require(
                    moved.isMSIEnabled == usual.isMSIEnabled && moved.isMSIXEnabled == usual.isMSIXEnabled
                        && moved.isMSIXFunctionMasked == usual.isMSIXFunctionMasked, comment)
            }
        }
        #expect(messages > 100, "seed \(seed)")
    }

    /// A register, without the pointer to the next capability.
    private static func register(_ function: PCIFunction, _ offset: UInt64, isFirst: Bool) -> UInt64 {
        function.peek(at: offset, width: .doubleword) & (isFirst ? 0xffff_00ff : 0xffff_ffff)
    }

    /// Does the same to both functions.
    private static func step(
        _ usual: inout PCIFunction, _ moved: inout PCIFunction, _ offsets: Offsets, _ random: inout SplitMix64
    ) -> (AccessOutcome, AccessOutcome) {
        let width = [AccessWidth.byte, .word, .doubleword, .doubleword].randomElement(using: &random) ?? .byte
        switch random.next() % 8 {
        case 0:
            let vector = random.next() % 9
            return (
                AccessOutcome(messages: usual.raise(vector: vector).map { [$0] } ?? []),
                AccessOutcome(messages: moved.raise(vector: vector).map { [$0] } ?? [])
            )
        case 1...2:
            let value = random.next() % 16
            return (
                usual.writeTrapped(value, .bar(5), at: 0x1900, width: .doubleword),
                moved.writeTrapped(value, .bar(5), at: 0x1900, width: .doubleword)
            )
        case 3:
            let (value, offset) = (random.next() & 3, 0x100c + 16 * (random.next() % 8))
            return (
                usual.writeTrapped(value, .bar(5), at: offset, width: .doubleword),
                moved.writeTrapped(value, .bar(5), at: offset, width: .doubleword)
            )
        case 4:
            let command = random.next() % 4 == 0 ? random.next() : 6
            return (
                usual.writeSettled(command, at: 4, width: .word), moved.writeSettled(command, at: 4, width: .word)
            )
        case 5:
            let (offset, value) = (random.next() % 12 & ~UInt64(width.rawValue - 1), random.next() & 0xc000_0000)
            return (
                usual.writeSettled(value, at: 0x40 + offset, width: width),
                moved.writeSettled(value, at: offsets.msix + offset, width: width)
            )
        default:
            let offset = random.next() % 24 & ~UInt64(width.rawValue - 1)
            let value = random.next() % 2 == 0 ? random.next() : random.next() & 0x71_000f
            return (
                usual.writeSettled(value, at: 0x50 + offset, width: width),
                moved.writeSettled(value, at: offsets.msi + offset, width: width)
            )
        }
    }
}
