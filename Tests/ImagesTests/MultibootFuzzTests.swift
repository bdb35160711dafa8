import Images
import Memslots
import PropertySupport
import Testing

/// Mutations of good kernels: none traps, and whatever is accepted can be loaded and told of.
@Suite struct MultibootFuzzTests {
    private static let mutationsPerCase = 3000

    @Test(arguments: propertySeeds, 0..<3)
    func mutatedFilesAreRefusedOrSound(seed: UInt64, kind: Int) throws {
        var random = SplitMix64(seed: seed)
        let original = [
            MultibootFile.flat.bytes, MultibootFile.elf(is64: false).bytes, MultibootFile.elf(is64: true).bytes,
        ][kind]
        var accepted = 0
        for step in 0..<Self.mutationsPerCase {
            let bytes = mutate(original, &random)
            for reading in [nil] + Image.Reading.allCases {
                guard let image = try? Image.load(bytes, as: reading, flatLoadAddress: GuestAddress(0)) else {
                    continue
                }
                accepted += image.format == .multiboot ? 1 : 0
                try #require(isSound(image, fileSize: bytes.count), "seed \(seed), step \(step)")
            }
        }
        #expect(accepted > 100, "seed \(seed)")
    }

    /// Up to four bytes changed, the checksum sometimes made right again, and sometimes a shorter file.
    private func mutate(_ original: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: bytes.indices, using: &random)
            bytes[index] = [0x00, 0x01, 0x7f, 0x80, 0xff, bytes[index] ^ 4].randomElement(using: &random) ?? 0
        }
        if Bool.random(using: &random) { repairChecksum(&bytes) }
        if UInt8.random(in: 0...7, using: &random) == 0 {
            bytes.removeLast(.random(in: 0...bytes.count, using: &random))
        }
        return bytes
    }

    private func repairChecksum(_ bytes: inout [UInt8]) {
        func word(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        for offset in stride(from: 0, through: bytes.count - 12, by: 4) where word(offset) == 0x1bad_b002 {
            let checksum = 0 &- word(offset) &- word(offset + 4)
            for byte in 0..<4 { bytes[offset + 8 + byte] = UInt8(truncatingIfNeeded: checksum >> (byte * 8)) }
        }
    }

    private func isSound(_ image: Image, fileSize: Int) -> Bool {
        let segments = image.segments
        let areDisjoint = zip(segments, segments.dropFirst()).allSatisfy { $0.range.last < $1.range.first }
        let fit = segments.allSatisfy {
            $0.bytes.lowerBound >= 0 && $0.bytes.upperBound <= fileSize && $0.bytes.count <= $0.range.size
        }
        let isReachable = image.format != .multiboot || image.entry.rawValue < 1 << 32
        return areDisjoint && fit && isReachable && segments.contains { $0.range.contains(image.entry) }
    }
}
