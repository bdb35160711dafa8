import Testing

@testable import Memslots

/// What a refusal says.
@Suite struct SlotViolationTests {
    private static let request = SlotRequest(
        slot: 0x1_0007, flags: 5, guestAddress: 0xfee0_0000, size: 0x2000, hostAddress: 0x7f00_0000_0000)

    @Test(arguments: SlotRule.allCases)
    func onlyAnOverlapIsEEXIST(rule: SlotRule) {
        #expect(rule.errno == (rule == .noOverlap ? .exists : .invalidArgument))
    }

    @Test func noTwoRulesSayTheSame() {
        #expect(Set(SlotRule.allCases.map(\.words)).count == SlotRule.allCases.count)
    }

    @Test(arguments: SlotRule.allCases)
    func descriptionSaysWhatWasAskedWhichRuleAndTheErrno(rule: SlotRule) {
        let text = "\(SlotViolation(rule, Self.request))"
        for part in [
            "slot 7", "address space 1", "0xfee00000", "size 0x2000", "host 0x7f0000000000", "flags 5", rule.words,
            "[\(rule.errno)]",
        ] {
            #expect(text.contains(part))
        }
    }

    @Test func descriptionNamesTheSlotInTheWay() {
        let other = Memslot(id: 3, range: .frames(0xfee00), host: 0x1000, flags: [.readOnly, .logDirtyPages])
        let text = "\(SlotViolation(.noOverlap, Self.request, other: other))"
        #expect(text.contains("slot 3 (0xfee00000-0xfee00fff, host 0x1000, read-only, dirty logging)"))
        #expect(text.contains("[EEXIST]"))
    }

    @Test func limitIsWrittenAsPeopleReadIt() {
        #expect("\(SlotViolation(.slotID, Self.request, limit: 32_764))".contains("32764"))
        #expect("\(SlotViolation(.highestGuestAddress, Self.request, limit: 0xf_ffff))".contains("0xfffff"))
        #expect("\(SlotViolation(.accessibleHostRange, Self.request, limit: 1 << 46))".contains("0x400000000000"))
    }

    @Test func plainSlotIsWrittenWithoutAddressSpaceAndFlags() {
        #expect(!"\(SlotRequest(slot: 7, guestAddress: 0, size: 0, hostAddress: 0))".contains("address space"))
        #expect("\(Memslot(id: 7, range: .frames(1), host: 0x5000))" == "slot 7 (0x1000-0x1fff, host 0x5000)")
    }

    @Test(arguments: [
        (Int32(4), "EINTR"), (9, "EBADF"), (11, "EAGAIN"), (12, "ENOMEM"), (14, "EFAULT"), (17, "EEXIST"),
        (22, "EINVAL"), (28, "ENOSPC"), (95, "errno 95"),
    ])
    func errnoHasItsName(number: Int32, name: String) {
        #expect("\(SlotErrno(rawValue: number))" == name)
    }
}
