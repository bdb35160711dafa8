import PropertySupport
import Testing

@testable import Memslots

/// Random changes, against a plan of all mappings from nothing and against what the guest sees.
@Suite struct AddressSpaceModelTests {
    private static let changesPerSeed = 1500

    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func guestSeesTheMappingsAndNothingElse(seed: UInt64, policy: SlotPolicy) throws {
        var random = SplitMix64(seed: seed)
        var world = World(policy: policy, userSlots: 14)
        var verdicts: [RandomChange.Verdict: Int] = [:]
        for number in 0..<Self.changesPerSeed {
            let change = RandomChange(of: world, using: &random)
            let expected = change.verdict(in: world)
            let before = world
            world.kvm.startCounting()
            let verdict = Self.apply(change, to: &world)
            verdicts[expected, default: 0] += 1
            try ensure(verdict == expected, "change \(number): \(String(describing: verdict))")
            try ensure(world.problem == nil, "change \(number), \(change): \(world.problem ?? "")")
            try Self.checkCalls(of: world, since: before, number)
            if verdict != .accepted {
                try ensure(world.kvm.calls.isEmpty && world.isSame(as: before), "change \(number) was refused")
            }
        }
        for verdict in [RandomChange.Verdict.accepted, .overlap, .tooManySlots] {
            #expect(verdicts[verdict, default: 0] >= 20, "\(verdict)")
        }
    }

    private static func apply(_ change: RandomChange, to world: inout World) -> RandomChange.Verdict? {
        do throws(AddressSpaceError) {
            try world.change(removing: change.removing, adding: change.adding)
            return .accepted
        } catch {
            switch error {
            case .overlap: return .overlap
            case .tooManySlots: return .tooManySlots
            default: return nil
            }
        }
    }

    /// vCPUs are parked once where anything is done and never otherwise, and slots that stay are left alone.
    private static func checkCalls(of world: World, since before: World, _ number: Int) throws {
        let parks = world.kvm.calls.isEmpty ? 0 : 1
        try ensure(world.kvm.parks == parks && world.kvm.resumes == parks, "change \(number)")
        let staying = Set(before.slots).intersection(world.slots)
        for case .set(let request) in world.kvm.calls {
            try ensure(!staying.contains { UInt32($0.id) == request.slot }, "change \(number) edits \(request)")
        }
    }
}
