import Testing

@testable import Memslots

/// A change that breaks a rule makes no call and changes nothing.
@Suite(.serialized) struct AddressSpaceRefusalTests {
    private static func mapping(_ range: GuestRange, offset: UInt64 = 0x10_0000, owner: MappingOwner = .other(1))
        -> Mapping
    {
        Mapping(range: range, backing: Backing(offset: offset), owner: owner)
    }

    /// Frames 0x1000-0x1003 are mapped, and one far away; then the change is tried.
    private static func refusal(
        _ policy: SlotPolicy, userSlots: Int = 8, removing: [GuestRange] = [], adding: [Mapping] = []
    ) throws -> AddressSpaceError? {
        var world = World(policy: policy, userSlots: userSlots)
        try world.change(adding: [
            mapping(.frames(0x1000, 4), offset: 0, owner: .other(2)), mapping(.frames(0x5000), owner: .other(3)),
        ])
        world.kvm.startCounting()
        let before = world
        do throws(AddressSpaceError) {
            try world.change(removing: removing, adding: adding)
            if let problem = world.problem { Issue.record(problem) }
            return nil
        } catch {
            #expect(world.isSame(as: before) && world.kvm.calls.isEmpty && world.kvm.parks == 0)
            return error
        }
    }

    private static func rule(_ error: AddressSpaceError?) -> SlotRule? {
        guard case .rule(let violation, owner: .other(1)) = error else { return nil }
        return violation.rule
    }

    @Test(arguments: SlotPolicy.allCases)
    func unalignedMappingIsRefused(policy: SlotPolicy) throws {
        let start = try Self.refusal(policy, adding: [Self.mapping(.bytes(0x100_8800, 0x100_97ff))])
        #expect(Self.rule(start) == .alignedGuestAddress)
        let size = try Self.refusal(policy, adding: [Self.mapping(.bytes(0x100_8000, 0x100_87ff))])
        #expect(Self.rule(size) == .alignedSize)
    }

    /// In a window the slot's host address is aligned whatever the backing's offset is; mapping the piece would fail.
    @Test(arguments: SlotPolicy.allCases, [UInt64(0x1008), 0x5008])
    func unalignedBackingIsRefused(policy: SlotPolicy, frame: UInt64) throws {
        let error = try Self.refusal(policy, adding: [Self.mapping(.frames(frame), offset: 0x800)])
        #expect(Self.rule(error) == .alignedHostAddress)
    }

    @Test(arguments: SlotPolicy.allCases)
    func mappingBeyondTheHighestAddressIsRefused(policy: SlotPolicy) throws {
        let behind = try Self.refusal(policy, adding: [Self.mapping(.frames(1 << 40))])
        #expect(Self.rule(behind) == .highestGuestAddress)
        let across = try Self.refusal(policy, adding: [Self.mapping(.frames((1 << 40) - 1, 2))])
        #expect(Self.rule(across) == .highestGuestAddress)
        let end = try Self.refusal(policy, adding: [Self.mapping(.bytes(0xffff_ffff_ffff_f000, .max))])
        #expect(Self.rule(end) == .noWrap)
    }

    @Test func mappingOfTooManyPagesIsRefused() throws {
        let error = try Self.refusal(.separate, adding: [Self.mapping(.frames(1 << 32, 1 << 31))])
        #expect(Self.rule(error) == .pageCount)
    }

    @Test func mappingWithoutHostMemoryIsRefused() throws {
        let error = try Self.refusal(.separate, adding: [Self.mapping(.frames(0x9000), offset: 1 << 47)])
        #expect(Self.rule(error) == .accessibleHostRange)
    }

    @Test(
        arguments: SlotPolicy.allCases,
        [
            GuestRange.frames(0xfff, 2), .frames(0x1000), .frames(0x1003, 2), .frames(0xfff, 6), .frames(0x1000, 4),
        ])
    func overlapWithAMappingNamesIt(policy: SlotPolicy, range: GuestRange) throws {
        let error = try Self.refusal(policy, adding: [Self.mapping(range)])
        guard case .overlap(let new, let old) = error else { throw Unexpected(error) }
        #expect(new.owner == .other(1) && old.owner == .other(2))
    }

    @Test(
        arguments: SlotPolicy.allCases,
        [
            (GuestRange.frames(0x1010, 2), GuestRange.frames(0x1011, 2)), (.frames(0x1010, 2), .frames(0x1010, 2)),
            (.frames(0x1010, 6), .frames(0x1011)),
        ])
    func overlapWithinAChangeIsRefused(policy: SlotPolicy, ranges: (GuestRange, GuestRange)) throws {
        for pair in [[ranges.0, ranges.1], [ranges.1, ranges.0]] {
            guard case .overlap = try Self.refusal(policy, adding: pair.map { Self.mapping($0) }) else {
                throw Unexpected(nil)
            }
        }
    }

    @Test(
        arguments: SlotPolicy.allCases,
        [
            GuestRange.frames(0x2000), .frames(0x1000, 3), .frames(0x1001, 3), .frames(0x1000, 5),
            .bytes(0x100_0800, 0x100_3fff),
            .everything,
        ])
    func onlyAWholeMappingCanBeRemoved(policy: SlotPolicy, range: GuestRange) throws {
        #expect(try Self.refusal(policy, removing: [range]) == .notMapped(range))
    }

    @Test(arguments: SlotPolicy.allCases)
    func mappingCannotBeRemovedTwice(policy: SlotPolicy) throws {
        let range = GuestRange.frames(0x1000, 4)
        #expect(try Self.refusal(policy, removing: [range, .frames(0x5000), range]) == .notMapped(range))
    }

    @Test(arguments: SlotPolicy.allCases)
    func oneBadPartRefusesTheWholeChange(policy: SlotPolicy) throws {
        let error = try Self.refusal(
            policy, removing: [.frames(0x5000)],
            adding: [Self.mapping(.frames(0x6000)), Self.mapping(.frames(0x1003))])
        guard case .overlap = error else { throw Unexpected(error) }
    }

    @Test(arguments: SlotPolicy.allCases)
    func placeThatIsVacatedCanBeTaken(policy: SlotPolicy) throws {
        let error = try Self.refusal(
            policy, removing: [.frames(0x1000, 4)], adding: [Self.mapping(.frames(0x0ffe, 4))])
        #expect(error == nil)
    }

    @Test(arguments: SlotPolicy.allCases)
    func moreSlotsThanTheLimitAreRefused(policy: SlotPolicy) throws {
        let adding = (0..<3).map { Self.mapping(.frames(0x6000 + $0 * 2)) }
        #expect(try Self.refusal(policy, userSlots: 4, adding: adding) == .tooManySlots(needed: 5, limit: 4))
        #expect(try Self.refusal(policy, userSlots: 5, adding: adding) == nil)
        #expect(try Self.refusal(policy, userSlots: 4, removing: [.frames(0x5000)], adding: adding) == nil)
    }

    @Test func errorsSayWhoAndWhere() throws {
        let overlap = "\(try Self.refusal(.separate, adding: [Self.mapping(.frames(0x1003))]) as Any)"
        for part in ["mapping 1", "0x1003000-0x1003fff", "mapping 2", "0x1000000-0x1003fff"] {
            #expect(overlap.contains(part))
        }
        let limit = "\(AddressSpaceError.tooManySlots(needed: 5, limit: 4))"
        for part in ["5", "4", "KVM_CAP_NR_MEMSLOTS"] { #expect(limit.contains(part)) }
        #expect("\(AddressSpaceError.notMapped(.frames(1)))".contains("0x1000-0x1fff"))
        let log = "\(AddressSpaceError.dirtyLog(Memslot(id: 7, range: .frames(1), host: 0), .badDescriptor))"
        #expect(log.contains("slot 7") && log.contains("EBADF"))
    }

    /// Another error than the test wants.
    private struct Unexpected: Error {
        var error: AddressSpaceError?

        init(_ error: AddressSpaceError?) {
            self.error = error
        }
    }
}
