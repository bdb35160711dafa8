import Memslots
import Testing

@Suite struct GuestAddressTests {
    @Test(
        arguments: [
            (0, "0 bytes"), (1000, "1000 bytes"), (1024, "1K"), (0x400_0000, "64M"), (0x6000_0000, "1.5G"),
            (0x140_0000_0000, "1.25T"), (5120, "5K"), (0x4000_2000, "1048584K"), (0x4000_0000_0000_0000, "4E"),
        ] as [(UInt64, String)])
    func sizesAreExact(size: UInt64, text: String) {
        #expect(sizeText(size) == text)
    }

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
