import PCI
import PropertySupport
import Testing

@Suite struct BARPieceTests {
    @Test func barWithoutRegistersIsOneMappedPiece() {
        #expect(FunctionDescription.plain.pieces(of: .bar(0)) == [BARPiece(offsets: 0..<0x4000, kind: .mapped)])
    }

    @Test func pageWithMSIXIsAHole() {
        #expect(
            FunctionDescription.rich.pieces(of: .bar(5)) == [
                BARPiece(offsets: 0..<0x1000, kind: .mapped),
                BARPiece(offsets: 0x1000..<0x2000, kind: .trapped),
                BARPiece(offsets: 0x2000..<0x4000, kind: .mapped),
            ])
    }

    @Test func holesAreRoundedToPagesAndJoined() {
        let description = FunctionDescription.plain.with {
            $0.bars[0] = BARDescription(
                kind: .memory32, size: 0x8000,
                registers: [0x5fff..<0x6001, 0x1800..<0x1804, 0x2000..<0x2001, 0x2ffc..<0x3000])
        }
        #expect(
            description.pieces(of: .bar(0)) == [
                BARPiece(offsets: 0..<0x1000, kind: .mapped),
                BARPiece(offsets: 0x1000..<0x3000, kind: .trapped),
                BARPiece(offsets: 0x3000..<0x5000, kind: .mapped),
                BARPiece(offsets: 0x5000..<0x7000, kind: .trapped),
                BARPiece(offsets: 0x7000..<0x8000, kind: .mapped),
            ])
    }

    @Test func holesReachTheEnds() {
        let description = FunctionDescription.plain.with { $0.bars[0]?.registers = [0..<1, 0x3fff..<0x4000] }
        #expect(
            description.pieces(of: .bar(0)) == [
                BARPiece(offsets: 0..<0x1000, kind: .trapped),
                BARPiece(offsets: 0x1000..<0x3000, kind: .mapped),
                BARPiece(offsets: 0x3000..<0x4000, kind: .trapped),
            ])
    }

    @Test func barSmallerThanAPageIsTrapped() {
        #expect(FunctionDescription.rich.pieces(of: .bar(3)) == [BARPiece(offsets: 0..<256, kind: .trapped)])
    }

    @Test func romIsMappedUnlessSmallerThanAPage() {
        #expect(FunctionDescription.rich.pieces(of: .rom) == [BARPiece(offsets: 0..<0x1_0000, kind: .mapped)])
        let small = FunctionDescription.rich.with { $0.romSize = 2048 }
        #expect(small.pieces(of: .rom) == [BARPiece(offsets: 0..<2048, kind: .trapped)])
    }

    @Test func portsAndAbsentRegistersHaveNoPieces() {
        #expect(FunctionDescription.rich.pieces(of: .bar(2)).isEmpty)
        #expect(FunctionDescription.rich.pieces(of: .bar(1)).isEmpty)
        #expect(FunctionDescription.plain.pieces(of: .rom).isEmpty)
    }

    @Test func barWithMorePagesThanASlotIsSeveralPieces() {
        let large = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 1 << 43) }
        #expect(large.pieces(of: .bar(0)).map(\.offsets) == [0..<1 << 42, 1 << 42..<1 << 43])
        let whole = FunctionDescription.plain.with { $0.bars[0] = BARDescription(kind: .memory64, size: 1 << 42) }
        #expect(whole.pieces(of: .bar(0)).count == 1)
    }

    @Test func largerPagesOfTheHostTrapMore() {
        #expect(FunctionDescription.plain.pieces(of: .bar(0), pageSize: 1 << 16).map(\.kind) == [.trapped])
        let description = FunctionDescription.plain.with {
            $0.bars[0] = BARDescription(kind: .memory32, size: 1 << 18, registers: [0x11000..<0x11010])
        }
        #expect(
            description.pieces(of: .bar(0), pageSize: 1 << 16).map(\.offsets) == [
                0..<0x10000, 0x10000..<0x20000, 0x20000..<0x40000,
            ])
    }

    @Test func piecesCoverTheBARWithoutAGap() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            let size: UInt64 = 1 << UInt64.random(in: 12...20, using: &random)
            let registers = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                let first = UInt64.random(in: 0..<size, using: &random)
                return first..<UInt64.random(in: first + 1...size, using: &random)
            }
            let description = FunctionDescription.plain.with {
                $0.bars[0] = BARDescription(kind: .memory32, size: size, registers: registers)
            }
            let pieces = description.pieces(of: .bar(0))
            #expect(pieces.first?.offsets.lowerBound == 0 && pieces.last?.offsets.upperBound == size)
            for (piece, next) in zip(pieces, pieces.dropFirst()) {
                #expect(piece.offsets.upperBound == next.offsets.lowerBound && piece.kind != next.kind)
            }
            for page in stride(from: 0, to: size, by: 4096) {
                let isTrapped = registers.contains { $0.overlaps(page..<page + 4096) }
                let piece = pieces.first { $0.offsets.contains(page) }
                #expect(piece?.kind == (isTrapped ? .trapped : .mapped))
            }
        }
    }
}
