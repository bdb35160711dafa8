import Memslots
import Testing

@Suite struct GuestAddressTests {
    @Test(arguments: [
        (UInt64(0), UInt64(0), UInt64?.some(0)),
        (0, .max, .max),
        (1, .max, nil),
        (.max, 0, .max),
        (.max, 1, nil),
        (.max, .max, nil),
        (0xffff_ffff_ffff_f000, 0xfff, .max),
        (0xffff_ffff_ffff_f000, 0x1000, nil),
    ])
    func advancingPastTheEndGivesNil(start: UInt64, bytes: UInt64, expected: UInt64?) {
        #expect(GuestAddress(start).advanced(by: bytes)?.rawValue == expected)
    }

    @Test(arguments: [UInt64(0), 0x1000, 0xffff_ffff_ffff_f000])
    func multiplesOfThePageSizeAreAligned(address: UInt64) {
        #expect(GuestAddress(address).isPageAligned)
    }

    @Test(arguments: [UInt64(1), 0xfff, 0x1001, 0x1800, .max])
    func otherAddressesAreNotAligned(address: UInt64) {
        #expect(!GuestAddress(address).isPageAligned)
    }

    @Test func frameIsTheAddressInPagesRoundedDown() {
        #expect(GuestAddress(0xfff).frame == 0)
        #expect(GuestAddress(0x1000).frame == 1)
        #expect(GuestAddress(.max).frame == (1 << 52) - 1)
    }

    @Test func addressesCompareAsUnsignedNumbers() {
        #expect(GuestAddress(1) < GuestAddress(1 << 63))
        #expect(!(GuestAddress(.max) < GuestAddress(.max)))
        #expect(!(GuestAddress(.max) < GuestAddress(0)))
    }

    @Test func addressIsWrittenInHexadecimal() {
        #expect("\(GuestAddress(0))" == "0x0")
        #expect("\(GuestAddress(0xfee0_0000))" == "0xfee00000")
        #expect("\(GuestAddress(.max))" == "0xffffffffffffffff")
    }
}
