import Fuzzing
import Images
import Memslots

/// A fuzzer that takes any bytes as an image. The image must be refused with words, or be one that can be loaded.
enum ImageFuzzer {
    static func start() {
        fuzz { bytes in
            let symbols = SymbolTable(bytes)
            for address in [0, 0x10_0000, UInt64.max] {
                expect(symbols.name(at: address) != "", "a name without letters")
            }
            for reading in [nil] + Image.Reading.allCases {
                do throws(ImageError) {
                    check(
                        try Image.load(bytes, as: reading, flatLoadAddress: GuestAddress(0x1_0000)),
                        fileSize: bytes.count)
                } catch {
                    expect(!"\(error)".isEmpty, "an error without words")
                }
            }
        }
    }

    private static func check(_ image: Image, fileSize: Int) {
        expect(image.segments.contains { $0.range.contains(image.entry) }, "the entry \(image.entry) is in no segment")
        for segment in image.segments {
            expect(
                segment.bytes.lowerBound >= 0 && segment.bytes.upperBound <= fileSize, "\(segment) is not in the file")
            expect(UInt64(segment.bytes.count) <= segment.range.size, "\(segment) has more bytes than memory")
        }
        for (lower, upper) in zip(image.segments, image.segments.dropFirst()) {
            expect(lower.range.last < upper.range.first, "\(lower) and \(upper) overlap, or are out of order")
        }
    }
}

@_cdecl("fuzzer")
public func fuzzer() {
    ImageFuzzer.start()
}
