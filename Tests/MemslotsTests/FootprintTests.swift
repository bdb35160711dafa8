import Testing

@testable import Memslots

@Suite struct FootprintTests {
    /// The kernel's table of 2012, and the compacted one that was to follow.
    @Test(arguments: [(32, 64, 4, 2456), (128, 64, 4, 9000), (128, 56, 2, 7680), (124, 56, 2, 7440)])
    func fixedTableTakesWhatThe2012AccountingSays(slots: Int, slotBytes: Int, indexBytes: Int, expected: Int) {
        #expect(Footprint.fixedTableBytes(slots: slots, slotBytes: slotBytes, indexBytes: indexBytes) == expected)
    }

    @Test func bitmapIsRoundedUpToWords() {
        #expect(Footprint.fixedTableBytes(slots: 60) == 64 * 68 + 8)
        #expect(Footprint.fixedTableBytes(slots: 61) == 65 * 68 + 16)
        #expect(Footprint.fixedTableBytes(slots: 0, privateSlots: 0) == 0)
    }

    @Test func onePageTakes24KiBWithAShadowMMUAnd8KiBWithout() {
        #expect(Footprint.kernelBytes(pages: 1, mmu: .shadow) == 24 << 10)
        #expect(Footprint.kernelBytes(pages: 1, mmu: .tdp) == 8 << 10)
    }

    /// Measured: 164 MB, as VmallocUsed counts them.
    @Test func gibibytesTakeWhatWasMeasured() {
        let kilobytes = Footprint.kernelBytes(pages: 64 << 18, mmu: .shadow) >> 10
        #expect(164_000...165_000 ~= kilobytes)
        #expect(Footprint.kernelBytes(pages: 64 << 18, mmu: .tdp) == (128 << 10) + 4096)
    }

    @Test func noPagesTakeNothing() {
        for mmu in Footprint.MMU.allCases { #expect(Footprint.kernelBytes(pages: 0, mmu: mmu) == 0) }
    }

    @Test(arguments: Footprint.MMU.allCases)
    func morePagesNeverTakeLess(mmu: Footprint.MMU) throws {
        var last: UInt64 = 0
        for pages in Array(1...3000) + (12...31).flatMap({ [(1 << $0) - 1, 1 << $0, (1 << $0) + 1] }) as [UInt64] {
            let bytes = Footprint.kernelBytes(pages: pages, mmu: mmu)
            try ensure(bytes >= last && bytes.isMultiple(of: 4096), "\(pages) pages")
            last = bytes
        }
    }

    /// 14 bytes a page with a shadow MMU, a bit more for pointers; far below what a UInt64 holds.
    @Test func largestSlotDoesNotOverflow() {
        let pages = SlotLimits.maximumPages
        let shadow = Footprint.kernelBytes(pages: pages, mmu: .shadow)
        #expect(shadow > 10 * pages && shadow < 11 * pages)
        #expect(Footprint.kernelBytes(pages: pages, mmu: .tdp) < pages / 64)
    }

    @Test func tableTakesTheSumOfItsSlots() throws {
        var table = MemslotTable(limits: SlotLimits(userSlots: 8))
        try table.create(.frames(0, 1))
        try table.create(.frames(0x1000, 512))
        try table.create(.frames(0x9000, 100_000))
        for mmu in Footprint.MMU.allCases {
            let sum = [1, 512, 100_000].map { Footprint.kernelBytes(pages: $0, mmu: mmu) }.reduce(0, +)
            #expect(Footprint.kernelBytes(of: table, mmu: mmu) == sum)
        }
    }
}
