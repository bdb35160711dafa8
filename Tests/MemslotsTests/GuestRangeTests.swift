import Memslots
import Testing

@Suite struct GuestRangeTests {
    @Test(arguments: [UInt64(0), 1, 0x1000, .max])
    func noRangeIsEmpty(first: UInt64) {
        #expect(GuestRange(first: GuestAddress(first), size: 0) == nil)
    }

    @Test func rangeMayEndAtTheLastAddress() {
        #expect(GuestRange(first: GuestAddress(.max), size: 1)?.last == GuestAddress(.max))
        #expect(GuestRange(first: GuestAddress(1), size: .max) == .bytes(1, .max))
        #expect(GuestRange(first: GuestAddress(0), size: .max) == .bytes(0, .max - 1))
    }

    @Test func noRangeWraps() {
        #expect(GuestRange(first: GuestAddress(.max), size: 2) == nil)
        #expect(GuestRange(first: GuestAddress(2), size: .max) == nil)
        #expect(GuestRange(first: GuestAddress(.max), size: .max) == nil)
    }

    @Test func noRangeEndsBeforeItBegins() {
        #expect(GuestRange(first: GuestAddress(1), last: GuestAddress(0)) == nil)
        #expect(GuestRange(first: GuestAddress(.max), last: GuestAddress(0)) == nil)
        #expect(GuestRange(first: GuestAddress(7), last: GuestAddress(7))?.size == 1)
    }

    @Test func everythingHoldsBothEndsAndSaturatesItsSize() {
        #expect(GuestRange.everything == .bytes(0, .max))
        #expect(GuestRange.everything.size == .max)
        #expect(GuestRange.everything.pages == 1 << 52)
        #expect(GuestRange.bytes(1, .max).size == .max)
        #expect(GuestRange.bytes(2, .max).size == UInt64.max - 1)
    }

    @Test func partsOfPagesCountAsPages() {
        #expect(GuestRange.bytes(0xfff, 0xfff).pages == 1)
        #expect(GuestRange.bytes(0xfff, 0x1000).pages == 2)
        #expect(GuestRange.bytes(0x1000, 0x2fff).pages == 2)
        #expect(GuestRange.bytes(0xffff_ffff_ffff_f000, .max).pages == 1)
    }

    @Test func rangeContainsItsEndsAndNotItsNeighbours() {
        let range = GuestRange.bytes(0x1000, 0x1fff)
        for (address, isInside) in [(0xfff, false), (0x1000, true), (0x1fff, true), (0x2000, false), (.max, false)] {
            #expect(range.contains(GuestAddress(UInt64(address))) == isInside)
        }
        #expect(GuestRange.everything.contains(GuestAddress(.max)))
    }

    @Test func rangeContainsWhatLiesWhollyInIt() {
        let range = GuestRange.bytes(0x1000, 0x2fff)
        #expect(range.contains(range))
        #expect(range.contains(.bytes(0x1000, 0x1000)))
        #expect(range.contains(.bytes(0x2fff, 0x2fff)))
        #expect(!range.contains(.bytes(0xfff, 0x2fff)))
        #expect(!range.contains(.bytes(0x1000, 0x3000)))
        #expect(!range.contains(.everything))
        #expect(GuestRange.everything.contains(.everything))
    }

    @Test func onlyTheNextAddressFollows() {
        let range = GuestRange.bytes(0x1000, 0x1fff)
        #expect(range.isFollowed(by: .bytes(0x2000, 0x2000)))
        #expect(!range.isFollowed(by: .bytes(0x2001, 0x3000)))
        #expect(!range.isFollowed(by: .bytes(0x1fff, 0x3000)))
        #expect(!range.isFollowed(by: .bytes(0, 0xfff)))
    }

    @Test func nothingFollowsTheLastAddress() {
        #expect(!GuestRange.everything.isFollowed(by: .everything))
        #expect(!GuestRange.bytes(5, .max).isFollowed(by: .bytes(0, 4)))
    }

    @Test func offsetCountsFromTheStart() {
        #expect(GuestRange.bytes(0x1000, .max).offset(of: GuestAddress(0x1000)) == 0)
        #expect(GuestRange.everything.offset(of: GuestAddress(.max)) == .max)
    }

    @Test func rangeIsWrittenWithBothEnds() {
        #expect("\(GuestRange.bytes(0xe000_0000, 0xe000_0fff))" == "0xe0000000-0xe0000fff")
    }

    /// All pairs of ranges in nine addresses, against sets of these, at either end of the address space.
    @Test(arguments: [UInt64(0), UInt64.max - 8])
    func setsOfAddressesSayTheSame(base: UInt64) {
        let ranges = (0...8).flatMap { first in (first...8).map { (base + UInt64(first), base + UInt64($0)) } }
        for (first, last) in ranges {
            for (otherFirst, otherLast) in ranges {
                let range = GuestRange.bytes(first, last)
                let other = GuestRange.bytes(otherFirst, otherLast)
                let common = Set(first...last).intersection(otherFirst...otherLast)
                let isSubset = Set(otherFirst...otherLast).isSubset(of: first...last)
                let intersection = range.intersection(other)
                if range.overlaps(other) == common.isEmpty || range.contains(other) != isSubset
                    || intersection?.first.rawValue != common.min() || intersection?.last.rawValue != common.max()
                    || range.isFollowed(by: other) != (last != .max && last + 1 == otherFirst)
                {
                    Issue.record("\(range) and \(other)")
                }
            }
        }
    }
}
