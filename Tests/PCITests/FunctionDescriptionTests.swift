import PCI
import Testing

@Suite struct FunctionDescriptionTests {
    @Test(arguments: [FunctionDescription.plain, .rich, .full])
    func samplesAreValid(description: FunctionDescription) throws {
        try description.validate()
    }

    static let sizes: [(BARDescription.Kind, UInt64, DescriptionError?)] = [
        (.memory32, 0, .sizeNotPowerOfTwo(.bar(0), size: 0)),
        (.memory32, 0x3000, .sizeNotPowerOfTwo(.bar(0), size: 0x3000)),
        (.memory32, 8, .tooSmall(.bar(0), size: 8, minimum: 16)),
        (.memory32, 16, nil),
        (.memory32, 2 << 30, nil),
        (.memory32, 4 << 30, .tooLarge(.bar(0), size: 4 << 30, maximum: 2 << 30)),
        (.memory64, 1 << 52, nil),
        (.memory64, 1 << 53, .tooLarge(.bar(0), size: 1 << 53, maximum: 1 << 52)),
        (.io, 2, .tooSmall(.bar(0), size: 2, minimum: 4)),
        (.io, 256, nil),
        (.io, 512, .tooLarge(.bar(0), size: 512, maximum: 256)),
    ]

    @Test(arguments: sizes)
    func sizesHaveBounds(kind: BARDescription.Kind, size: UInt64, error: DescriptionError?) {
        let bar = BARDescription(kind: kind, size: size)
        let description = FunctionDescription(vendorID: 1, deviceID: 2, bars: [0: bar])
        #expect(Self.error(of: description) == error)
    }

    @Test func barsHaveNumbers0To5() {
        for number in [-1, 6] {
            let description = FunctionDescription.plain.with {
                $0.bars[number] = BARDescription(kind: .memory32, size: 16)
            }
            #expect(Self.error(of: description) == .barNumber(number))
        }
    }

    @Test func wideBARTakesTwoPlaces() {
        let wide = BARDescription(kind: .memory64, size: 0x1000)
        let last = FunctionDescription.plain.with { $0.bars[5] = wide }
        #expect(Self.error(of: last) == .noUpperHalf(bar: 5))
        let taken = FunctionDescription.plain.with {
            $0.bars[2] = wide
            $0.bars[3] = BARDescription(kind: .io, size: 4)
        }
        #expect(Self.error(of: taken) == .upperHalfTaken(bar: 2))
    }

    @Test func romsHave2KiBTo16MiB() {
        let errors: [(UInt64, DescriptionError?)] = [
            (1024, .tooSmall(.rom, size: 1024, minimum: 2048)), (2048, nil), (16 << 20, nil),
            (32 << 20, .tooLarge(.rom, size: 32 << 20, maximum: 16 << 20)),
            (3000, .sizeNotPowerOfTwo(.rom, size: 3000)),
        ]
        for (size, error) in errors {
            #expect(Self.error(of: .plain.with { $0.romSize = size }) == error)
        }
    }

    @Test(arguments: [0, -1, 2049, .max, .min])
    func vectorsAre1To2048(vectors: Int) {
        let description = FunctionDescription.rich.with { $0.msix?.vectors = vectors }
        #expect(Self.error(of: description) == .vectors(vectors))
    }

    @Test func msiHasAPowerOfTwoUpTo32() {
        for vectors in [1, 2, 4, 8, 16, 32] {
            #expect(Self.error(of: .plain.with { $0.msiVectors = vectors }) == nil)
        }
        for vectors in [0, -1, 3, 31, 33, 64, .max, .min] {
            #expect(Self.error(of: .plain.with { $0.msiVectors = vectors }) == .msiVectors(vectors))
        }
        #expect("\(DescriptionError.msiVectors(3))" == "MSI: 3 vectors, a function has 1, 2, 4, 8, 16 or 32")
    }

    @Test func partsLieAlignedInAMemoryBAR() {
        func error(_ bar: Int, _ offset: UInt64) -> DescriptionError? {
            Self.error(of: .rich.with { $0.doorbell = BARLocation(bar: bar, offset: offset) })
        }
        #expect(error(1, 0) == .noSuchBAR(.doorbell, bar: 1))
        #expect(error(2, 0) == .notMemory(.doorbell, bar: 2))
        #expect(error(5, 12) == .misaligned(.doorbell, BARLocation(bar: 5, offset: 12)))
        #expect(
            error(5, 0x4000)
                == .outside(.doorbell, BARLocation(bar: 5, offset: 0x4000), length: 8, size: 0x4000))
        #expect(error(5, 0xffff_ffff_ffff_fff8) != nil)
        #expect(error(5, 0x3ff8) == nil)
    }

    @Test func partsDoNotOverlap() {
        let table = FunctionDescription.rich.with { $0.msix?.pendingBits.offset = 0x1000 + 70 * 16 - 8 }
        #expect(Self.error(of: table) == .overlap(.table, .pendingBits, bar: 5))
        let next = FunctionDescription.rich.with { $0.msix?.pendingBits.offset = 0x1000 + 70 * 16 }
        #expect(Self.error(of: next) == nil)
        let bits = FunctionDescription.rich.with { $0.doorbell = BARLocation(bar: 5, offset: 0x1808) }
        #expect(Self.error(of: bits) == .overlap(.pendingBits, .doorbell, bar: 5))
    }

    @Test func tableLiesBelow4GiB() {
        let place = BARLocation(bar: 0, offset: 4 << 30)
        let description = FunctionDescription.rich.with {
            $0.bars[0]?.size = 8 << 30
            $0.msix?.table = place
        }
        #expect(Self.error(of: description) == .above4GiB(.table, place))
    }

    @Test func registersLieInTheirBAR() {
        for registers in [0x4000..<0x4008, 0..<0x4001, 8..<8] as [Range<UInt64>] {
            let description = FunctionDescription.plain.with { $0.bars[0]?.registers = [registers] }
            #expect(Self.error(of: description) == .registersOutside(bar: 0, registers, size: 0x4000))
        }
    }

    @Test func classCodeHas24Bits() {
        #expect(Self.error(of: .plain.with { $0.classCode = 0x100_0000 }) == .classCode(0x100_0000))
    }

    @Test func errorsNameTheBARAndTheLimit() {
        #expect(
            "\(DescriptionError.tooLarge(.bar(3), size: 1 << 32, maximum: 1 << 31))"
                == "BAR 3: a size of 4G is above the most, 2G")
        #expect(
            "\(DescriptionError.outside(.table, BARLocation(bar: 5, offset: 16), length: 32, size: 16))"
                == "MSI-X table: 32 bytes at BAR 5, offset 0x10 end beyond the BAR, which has 16 bytes")
    }

    private static func error(of description: FunctionDescription) -> DescriptionError? {
        do throws(DescriptionError) {
            try description.validate()
            return nil
        } catch {
            return error
        }
    }
}
