import Testing

@testable import Memslots

/// Where several rules are broken, the first one in the kernel's order is named.
@Suite struct SlotRuleOrderTests {
    private typealias Break = (rule: SlotRule, apply: @Sendable (inout SlotRequest) -> Void)

    /// The rules of shape, in the order in which they are checked, and a way to break each that spares the ones before.
    private static let shape: [Break] = [
        (.knownFlags, { $0.flags |= 4 }),
        (.slotID, { $0.slot |= 0xffff }),
        (.alignedSize, { $0.size += 1 }),
        (.alignedGuestAddress, { $0.guestAddress += 1 }),
        (.alignedHostAddress, { $0.hostAddress += 1 }),
        (.accessibleHostRange, { $0.hostAddress |= 1 << 62 }),
        (.addressSpace, { $0.slot |= 1 << 16 }),
        (.noWrap, { $0.guestAddress = 0xffff_ffff_ffff_f000 }),
        (.pageCount, { $0.size = 1 << 43 }),
    ]

    /// The rules for a slot in use.
    private static let use: [Break] = [
        (.fixedHostAddress, { $0.hostAddress += 0x1000 }),
        (.noResize, { $0.size += 0x1000 }),
        (.fixedReadOnly, { $0.flags |= 2 }),
        // Its end lies too high still.
        (.noOverlap, { $0.guestAddress = 0x9000 }),
        (.highestGuestAddress, { $0.guestAddress = 0xa000 }),
    ]

    /// Breaks the last rule, then the one before as well, and so on.
    private static func verdicts(of breaks: [Break], on request: SlotRequest) throws -> [SlotRule?] {
        var table = MemslotTable(
            limits: SlotLimits(userSlots: 8, highestGuestAddress: GuestAddress(0x9fff)))
        try table.create(.frames(2, 2), host: 0x1000)
        try table.create(.frames(9, 1), host: 0x8000)
        var request = request
        return breaks.reversed().map { (_, apply) in
            apply(&request)
            do throws(SlotViolation) {
                _ = try table.change(for: request)
                return nil
            } catch { return error.rule }
        }
    }

    @Test func rulesOfShapeComeInOrder() throws {
        let request = SlotRequest(slot: 3, guestAddress: 0, size: 0x1000, hostAddress: 0)
        #expect(try Self.verdicts(of: Self.shape, on: request) == Self.shape.reversed().map(\.rule))
    }

    @Test func rulesOfASlotInUseComeInOrder() throws {
        let request = SlotRequest(slot: 0, guestAddress: 0x2000, size: 0x2000, hostAddress: 0x1000)
        #expect(try Self.verdicts(of: Self.use, on: request) == Self.use.reversed().map(\.rule))
    }

    @Test func shapeComesBeforeUse() throws {
        let deleteUnused = SlotRequest(slot: 3, guestAddress: 1, size: 0, hostAddress: 0)
        #expect(try Self.verdicts(of: [(.alignedGuestAddress, { _ in })], on: deleteUnused) == [.alignedGuestAddress])
        let resize = SlotRequest(slot: 0, guestAddress: 0x2000, size: 0x1001, hostAddress: 0x1000)
        #expect(try Self.verdicts(of: [(.alignedSize, { _ in })], on: resize) == [.alignedSize])
    }

    @Test func rulesAreListedInTheOrderOfTheChecks() {
        let order = Self.shape.map(\.rule) + [.deleteUsed] + Self.use.map(\.rule) + [.freeSlot]
        #expect(SlotRule.allCases == order)
    }
}
