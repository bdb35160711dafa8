import PropertySupport
import Testing

@testable import Memslots

/// Random requests, most of them near an edge of some rule, against the plain model of the ioctl.
@Suite struct SlotRuleModelTests {
    private static let requestsPerSeed = 120_000
    private static let limits = SlotLimits(
        userSlots: 10, privateSlots: 2, highestGuestAddress: GuestAddress(0x3_ffff), hostAddressLimit: 1 << 44)

    private static let ids: [UInt32] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x8000, 0xffff, 0x1_0001, 0xffff_000c,
    ]
    private static let oddSizes: [UInt64] = [
        1, 0xfff, 0x1001, (1 << 43) - 0x1000, 1 << 43, 1 << 44, 1 << 63, .max & ~0xfff,
    ]
    private static let oddAddresses: [UInt64] = [
        1, 0x1fff, 0x4_0000, (1 << 44) - 0x1000, 1 << 44, 1 << 63, .max & ~0xfff, .max,
    ]

    private static func pick<Element>(_ elements: [Element], _ bits: UInt64) -> Element {
        elements[Int(bits % UInt64(elements.count))]
    }

    /// A request out of the bits of two random numbers: fresh, or an edited copy of a slot in use.
    private static func request(on model: NaiveKVM, using random: inout SplitMix64) -> SlotRequest {
        let bits = random.next()
        let more = random.next()
        let isOdd = more & 7 == 0
        var request = SlotRequest(
            slot: pick(Array(ids.prefix(isOdd ? ids.count : 12)), bits),
            flags: UInt32(bits >> 8 & (isOdd ? 7 : 3)),
            guestAddress: (bits >> 12 & 63) << 12, size: ((bits >> 18 & 7) % 5) << 12,
            hostAddress: (bits >> 20 & 15) << 16)
        if let slot = model.slots[SlotID(truncatingIfNeeded: request.slot)], bits >> 24 & 3 != 0 {
            let target = request.guestAddress
            request = SlotRequest(holding: slot)
            switch bits >> 26 & 15 {
            case 0..<6: request.guestAddress = target
            case 6: request.flags ^= 1
            case 7: request.flags ^= 2
            case 8: request.size += 0x1000
            case 9: request.hostAddress += 0x1000
            case 10..<13: request.size = 0
            default: break
            }
        }
        guard isOdd else { return request }
        if more >> 8 & 3 == 0 { request.size = pick(oddSizes, more >> 16) }
        if more >> 10 & 3 == 0 { request.guestAddress = pick(oddAddresses, more >> 24) }
        if more >> 12 & 3 == 0 { request.hostAddress = pick(oddAddresses, more >> 32) }
        return request
    }

    @Test(arguments: propertySeeds)
    func theModelOfTheIoctlSaysTheSame(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var table = MemslotTable(limits: Self.limits)
        var model = NaiveKVM(limits: Self.limits)
        var verdicts: [SlotRule?: Int] = [:]
        for _ in 0..<Self.requestsPerSeed {
            let request = Self.request(on: model, using: &random)
            var expected: NaiveKVM.Refusal?
            do throws(NaiveKVM.Refusal) { try model.set(request) } catch { expected = error }
            var violation: SlotViolation?
            do throws(SlotViolation) { try table.set(request) } catch { violation = error }

            verdicts[expected?.rule, default: 0] += 1
            try ensure(
                violation?.rule == expected?.rule && violation?.other == expected?.other,
                "\(request): \(violation.map { "\($0)" } ?? "accepted"), not \(expected.map { "\($0)" } ?? "accepted")")
            let id = SlotID(truncatingIfNeeded: request.slot)
            try ensure(table[id] == model.slots[id], "\(request)")
        }
        // The requests are worth something only if they met each rule; a free id is asked of no request.
        for rule in SlotRule.allCases where rule != .freeSlot {
            #expect(verdicts[rule, default: 0] >= 20, "\(rule)")
        }
        #expect(verdicts[nil, default: 0] >= Self.requestsPerSeed / 5)
    }
}
