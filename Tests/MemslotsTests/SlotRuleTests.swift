import Testing

@testable import Memslots

/// Each rule alone, and its edges.
@Suite struct SlotRuleTests {
    /// The table of the examples: slot 0 at frames 16-17 of 4 GiB, slot 1 at 20-21 (read-only), slot 2 at 22.
    static let limits = SlotLimits(
        userSlots: 32, privateSlots: 4, highestGuestAddress: GuestAddress((1 << 40) - 1), hostAddressLimit: 1 << 46)

    static func makeTable() throws -> MemslotTable {
        var table = MemslotTable(limits: limits)
        try table.create(.frames(16, 2), host: 0x10_0000)
        try table.create(.frames(20, 2), host: 0x20_0000, flags: .readOnly)
        try table.create(.frames(22), host: 0x30_0000)
        return table
    }

    static func violation(
        slot: UInt32 = 9, flags: UInt32 = 0, guest: UInt64 = 0x8000, size: UInt64 = 0x1000, host: UInt64 = 0x4000
    ) throws -> SlotViolation? {
        let request = SlotRequest(slot: slot, flags: flags, guestAddress: guest, size: size, hostAddress: host)
        let table = try makeTable()
        do throws(SlotViolation) {
            _ = try table.change(for: request)
            return nil
        } catch {
            #expect(error.request == request)
            return error
        }
    }

    // MARK: Shape

    @Test(arguments: [UInt32(4), 8, 1 << 31, 7])
    func unknownFlagIsRefused(flags: UInt32) throws {
        #expect(try Self.violation(flags: flags)?.rule == .knownFlags)
    }

    @Test(arguments: [UInt32(0), 1, 2, 3])
    func knownFlagsAreAccepted(flags: UInt32) throws {
        #expect(try Self.violation(flags: flags) == nil)
    }

    @Test(arguments: [UInt64(1), 0xfff, 0x1001, .max])
    func unalignedSizeIsRefused(size: UInt64) throws {
        #expect(try Self.violation(size: size)?.rule == .alignedSize)
    }

    @Test(arguments: [UInt64(1), 0x8001, 0x8fff, .max])
    func unalignedGuestAddressIsRefused(guest: UInt64) throws {
        #expect(try Self.violation(guest: guest)?.rule == .alignedGuestAddress)
    }

    @Test(arguments: [UInt64(1), 0x4001, 0x4800, .max])
    func unalignedHostAddressIsRefused(host: UInt64) throws {
        #expect(try Self.violation(host: host)?.rule == .alignedHostAddress)
    }

    @Test(arguments: [(0x3fff_ffff_f000, 0x2000), (1 << 46, 0x1000), (0, 0x4000_0000_1000)] as [(UInt64, UInt64)])
    func hostRangeBeyondUserSpaceIsRefused(host: UInt64, size: UInt64) throws {
        let violation = try Self.violation(size: size, host: host)
        #expect(violation?.rule == .accessibleHostRange && violation?.limit == 1 << 46)
    }

    @Test func hostRangeThatWrapsIsRefused() throws {
        #expect(try Self.violation(size: 0x2000, host: 0xffff_ffff_ffff_f000)?.rule == .accessibleHostRange)
        #expect(try Self.violation(size: 0xffff_ffff_ffff_f000, host: 0x2000)?.rule == .accessibleHostRange)
    }

    @Test func hostRangeMayEndWhereUserSpaceEnds() throws {
        #expect(try Self.violation(host: (1 << 46) - 0x1000) == nil)
    }

    @Test(arguments: [UInt32(0x1_0009), 0x8000_0009, 0xffff_0000])
    func otherAddressSpaceIsRefused(slot: UInt32) throws {
        #expect(try Self.violation(slot: slot)?.rule == .addressSpace)
    }

    @Test(arguments: [UInt32(36), 0x8000, 0xffff, 0x1_0024])
    func idFromTheLimitOnIsRefused(slot: UInt32) throws {
        let violation = try Self.violation(slot: slot)
        #expect(violation?.rule == .slotID && violation?.limit == 36)
    }

    @Test(arguments: [UInt32(31), 32, 35])
    func idsBelowTheLimitAreAcceptedPrivateOnesToo(slot: UInt32) throws {
        #expect(try Self.violation(slot: slot) == nil)
    }

    @Test(arguments: [(UInt64(0xffff_ffff_ffff_f000), UInt64(0x1000)), (0xffff_ffff_ffff_f000, 0x2000)])
    func guestRangeThatEndsAtOrBehind2To64Wraps(guest: UInt64, size: UInt64) throws {
        #expect(try Self.violation(guest: guest, size: size)?.rule == .noWrap)
    }

    @Test func guestRangeRightBelow2To64IsTooHighInstead() throws {
        #expect(try Self.violation(guest: 0xffff_ffff_ffff_e000)?.rule == .highestGuestAddress)
    }

    @Test func slotMayHave2To31Minus1Pages() throws {
        let most: UInt64 = (1 << 31) - 1
        // It reaches 2^43, far beyond this table's 2^40.
        #expect(try Self.violation(guest: 1 << 20, size: most << 12)?.rule == .highestGuestAddress)
        var table = MemslotTable(limits: SlotLimits(userSlots: 1))
        try table.create(.frames(0, most))
        #expect(table[0]?.pages == most)
    }

    @Test func slotOf2To31PagesIsRefused() throws {
        let violation = try Self.violation(size: (1 << 31) << 12)
        #expect(violation?.rule == .pageCount && violation?.limit == (1 << 31) - 1)
    }

    // MARK: Slots in use

    @Test func deletingAnUnusedIDIsRefused() throws {
        #expect(try Self.violation(slot: 9, size: 0)?.rule == .deleteUsed)
        #expect(try Self.violation(slot: 33, size: 0)?.rule == .deleteUsed)
    }

    @Test func deletingLooksAtNoAddress() throws {
        let junk = SlotRequest(slot: 1, flags: 1, guestAddress: 0xffff_ffff_ffff_f000, size: 0, hostAddress: 0x7000)
        let table = try Self.makeTable()
        #expect(try table.change(for: junk) == .delete(try #require(table[1])))
    }

    @Test func deletingStillWantsAlignedAddresses() throws {
        #expect(try Self.violation(slot: 1, guest: 1, size: 0)?.rule == .alignedGuestAddress)
        #expect(try Self.violation(slot: 1, size: 0, host: 1)?.rule == .alignedHostAddress)
        #expect(try Self.violation(slot: 1, flags: 4, size: 0)?.rule == .knownFlags)
    }

    @Test func slotKeepsItsHostAddress() throws {
        let violation = try Self.violation(slot: 0, guest: 0x1_0000, size: 0x2000, host: 0x11_0000)
        #expect(violation?.rule == .fixedHostAddress && violation?.other?.id == 0)
    }

    @Test(arguments: [UInt64(0x1000), 0x3000])
    func slotKeepsItsSize(size: UInt64) throws {
        let violation = try Self.violation(slot: 0, guest: 0x1_0000, size: size, host: 0x10_0000)
        #expect(violation?.rule == .noResize && violation?.other?.id == 0)
    }

    @Test(arguments: [(UInt32(0), UInt32(2), UInt64(0x10_0000)), (1, 0, 0x20_0000), (1, 1, 0x20_0000)])
    func slotStaysReadOnlyOrWritable(slot: UInt32, flags: UInt32, host: UInt64) throws {
        let guest: UInt64 = slot == 0 ? 0x1_0000 : 0x1_4000
        let violation = try Self.violation(slot: slot, flags: flags, guest: guest, size: 0x2000, host: host)
        #expect(violation?.rule == .fixedReadOnly && violation?.other?.id == SlotID(slot))
    }

    @Test func sameSlotAgainChangesNothing() throws {
        let table = try Self.makeTable()
        #expect(try table.change(for: SlotRequest(holding: try #require(table[1]))) == SlotChange.none)
    }

    @Test func dirtyLoggingIsAChangeOfFlags() throws {
        let table = try Self.makeTable()
        let old = try #require(table[1])
        var new = old
        new.flags = [.readOnly, .logDirtyPages]
        #expect(try table.change(for: SlotRequest(holding: new)) == .setFlags(from: old, to: new))
    }

    @Test func moveMayChangeDirtyLoggingAsWell() throws {
        let table = try Self.makeTable()
        let old = try #require(table[0])
        var new = old
        new.range = .frames(40, 2)
        new.flags = .logDirtyPages
        #expect(try table.change(for: SlotRequest(holding: new)) == .move(from: old, to: new))
    }

    // MARK: Places

    @Test(arguments: [(UInt64(15), UInt64(2)), (16, 1), (17, 1), (15, 4), (17, 2)])
    func overlapNamesTheLowestSlotInTheWay(frame: UInt64, count: UInt64) throws {
        let violation = try Self.violation(guest: frame << 12, size: count << 12)
        #expect(violation?.rule == .noOverlap && violation?.other?.id == 0)
    }

    @Test(arguments: [(UInt64(15), UInt64(1)), (18, 2), (23, 9)])
    func touchingNeighboursAreFine(frame: UInt64, count: UInt64) throws {
        #expect(try Self.violation(guest: frame << 12, size: count << 12) == nil)
    }

    @Test func hostMemoryMayBeSharedBySlots() throws {
        #expect(try Self.violation(host: 0x10_0000) == nil)
    }

    @Test(arguments: [UInt64(15), 17])
    func slotMayMoveOverItsOwnOldPlace(frame: UInt64) throws {
        #expect(try Self.violation(slot: 0, guest: frame << 12, size: 0x2000, host: 0x10_0000) == nil)
    }

    @Test(arguments: [(UInt64(19), SlotID(1)), (21, 1), (22, 2)])
    func slotMayNotMoveOntoAnother(frame: UInt64, other: SlotID) throws {
        let violation = try Self.violation(slot: 0, guest: frame << 12, size: 0x2000, host: 0x10_0000)
        #expect(violation?.rule == .noOverlap && violation?.other?.id == other)
    }

    @Test func slotMayEndAtTheHighestAddressAndNotBehind() throws {
        #expect(try Self.violation(guest: (1 << 40) - 0x1000) == nil)
        let violation = try Self.violation(guest: (1 << 40) - 0x1000, size: 0x2000)
        #expect(violation?.rule == .highestGuestAddress && violation?.limit == (1 << 40) - 1)
        #expect(
            try Self.violation(slot: 0, guest: 1 << 40, size: 0x2000, host: 0x10_0000)?.rule == .highestGuestAddress)
    }
}
