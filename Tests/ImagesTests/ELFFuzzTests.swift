import Memslots
import PropertySupport
import Testing

@testable import Images

/// Mutations of good files: none traps, and whatever is accepted can be loaded.
@Suite struct ELFFuzzTests {
    private static let mutationsPerCase = 50_000

    @Test(arguments: propertySeeds, [false, true])
    func mutatedFilesAreRefusedOrSound(seed: UInt64, is64: Bool) throws {
        var random = SplitMix64(seed: seed)
        let original = ELFFile(is64: is64).bytes
        var accepted = 0

        for _ in 0..<Self.mutationsPerCase {
            let bytes = mutate(original, &random)
            guard let image = try? Image.elf(bytes) else { continue }
            accepted += 1
            try #require(isSound(image, fileSize: bytes.count))
        }
        #expect(accepted > 0 && accepted < Self.mutationsPerCase)
    }

    /// Up to four bytes changed, mostly to a value that fields find interesting, and sometimes a shorter file.
    private func mutate(_ original: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: bytes.indices, using: &random)
            let flipped = bytes[index] ^ (UInt8(1) << UInt8.random(in: 0...7, using: &random))
            let values: [UInt8] = [0x00, 0x01, 0x7f, 0x80, 0xff, flipped]
            bytes[index] = values.randomElement(using: &random) ?? 0
        }
        if UInt8.random(in: 0...7, using: &random) == 0 {
            bytes.removeLast(.random(in: 0...bytes.count, using: &random))
        }
        return bytes
    }

    private func isSound(_ image: Image, fileSize: Int) -> Bool {
        let segments = image.segments
        let areDisjoint = zip(segments, segments.dropFirst()).allSatisfy { $0.range.last < $1.range.first }
        let fit = segments.allSatisfy {
            $0.bytes.lowerBound >= 0 && $0.bytes.upperBound <= fileSize && $0.bytes.count <= $0.range.size
        }
        let holdsEntry = segments.contains { $0.range.contains(image.entry) }
        return areDisjoint && fit && holdsEntry
    }
}
