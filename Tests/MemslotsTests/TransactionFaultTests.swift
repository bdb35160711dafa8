import PropertySupport
import Testing

@testable import Memslots

/// Each call of random changes fails once: all is as before, and the same change goes through when tried again.
@Suite struct TransactionFaultTests {
    private static let errnos: [SlotErrno] = [.outOfMemory, .interrupted, .again, .badDescriptor]

    /// Random worlds, and a change of each that its world accepts.
    private static func scenarios(
        _ count: Int, seed: UInt64, policy: SlotPolicy, body: (World, RandomChange) throws -> Void
    ) throws {
        var random = SplitMix64(seed: seed)
        var world = World(policy: policy)
        var done = 0
        while done < count {
            let change = RandomChange(of: world, using: &random)
            guard change.verdict(in: world) == .accepted else { continue }
            if Bool.random(using: &random), let mapping = world.mapped.randomElement(using: &random) {
                try world.setDirtyLogging(Bool.random(using: &random), in: mapping.range)
            }
            world.kvm.startCounting()
            try body(world, change)
            try world.change(removing: change.removing, adding: change.adding)
            done += 1
        }
    }

    private static func error(of change: RandomChange, in world: inout World) -> AddressSpaceError? {
        do throws(AddressSpaceError) {
            try world.change(removing: change.removing, adding: change.adding)
            return nil
        } catch { return error }
    }

    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func failedCallLeavesAllAsBefore(seed: UInt64, policy: SlotPolicy) throws {
        var faults = 0
        try Self.scenarios(80, seed: seed, policy: policy) { before, change in
            var after = before
            try ensure(Self.error(of: change, in: &after) == nil)
            for number in after.kvm.calls.indices {
                var world = before
                let errno = Self.errnos[(number + faults) % 4]
                world.kvm.startCounting(failing: [number: errno])
                guard case .transaction(let error) = Self.error(of: change, in: &world) else {
                    throw Failure("call \(number) failed, the change did not")
                }
                try ensure(error.cause == .kernel(errno) && error.stuck.isEmpty, "\(error)")
                try ensure(error.number < error.count && "\(error)".contains("\(errno)"), "\(error)")
                try ensure(world.isSame(as: before), "call \(number) of \(change): \(error)")
                try ensure(world.kvm.complaints.isEmpty, "\(world.kvm.complaints)")
                try ensure(world.kvm.parks == 1 && world.kvm.resumes == 1)

                world.kvm.startCounting()
                try ensure(Self.error(of: change, in: &world) == nil)
                try ensure(world.isSame(as: after) && world.problem == nil, "again: \(change)")
                faults += 1
            }
        }
        #expect(faults >= 30)
    }

    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func failedUndoSaysWhatDiffers(seed: UInt64, policy: SlotPolicy) throws {
        var faults = 0
        try Self.scenarios(40, seed: seed, policy: policy) { before, change in
            try Self.eachFailedUndo(of: change, in: before) { world, error in
                faults += 1
                try ensure(world.slots == world.kvm.kvm.byAddress, "table and KVM differ: \(error)")
                try ensure(world.kvm.parks == 1 && world.kvm.resumes == 1)
                try ensure(!error.stuck.isEmpty && "\(error)".contains("could not be restored"), "\(error)")
                try ensure(world.space.mappings(in: .everything) == before.mapped)
                try Self.check(error, in: world, against: before)
            }
        }
        #expect(faults >= 30)
    }

    /// The slots that are not as before are those that the error names.
    private static func check(_ error: TransactionError, in world: World, against before: World) throws {
        let differing = Set(Set(world.slots).symmetricDifference(before.slots).map(\.id))
        let named = Set((SlotID(0)..<64).filter { id in error.stuck.contains { $0.what.hasPrefix("slot \(id) ") } })
        try ensure(named == differing, "differing slots \(differing), but: \(error)")
        let pages = world.kvm.windowPages.filter { before.kvm.windowPages[$0.key] != $0.value }.count
        let lost = before.kvm.windowPages.filter { world.kvm.windowPages[$0.key] == nil }.count
        let namesWindow = error.stuck.contains { $0.what.contains("bytes at host") }
        try ensure(namesWindow || pages + lost == 0, "\(pages) other pages in windows, \(lost) lost, but: \(error)")
    }

    /// What a failed undo left behind is in the way of nothing: the same change goes through. Under `.separate` all is then
    /// as it should be; where slots are shared, that takes a change of all mappings that lost theirs.
    /// One of the seeds once left a slot that logs behind, in the middle of a mapping.
    @Test(arguments: propertySeeds + [15_868_688_647_807_805_782], SlotPolicy.allCases)
    func changeAfterAFailedUndoGoesThrough(seed: UInt64, policy: SlotPolicy) throws {
        try Self.scenarios(25, seed: seed, policy: policy) { before, change in
            try Self.eachFailedUndo(of: change, in: before) { stuck, error in
                var world = stuck
                world.kvm.startCounting()
                let again = Self.error(of: change, in: &world)
                try ensure(again == nil, "\(again.map { "\($0)" } ?? "") after \(error)")
                try ensure(world.slots == world.kvm.kvm.byAddress)
                try ensure(world.stateProblem == nil, "\(world.stateProblem ?? "") after \(error)")
            }
        }
    }

    /// A slot that could not be deleted again has the id and the host memory of the one that should come back: KVM would
    /// take its creation for a move.
    @Test func stuckSlotIsNotTakenForTheOneThatComesBack() throws {
        let limits = SlotLimits(userSlots: 8)
        var table = MemslotTable(limits: limits)
        var kvm = FakeKVM(limits: limits, placement: Placement(backings: [0x1000_0000]))
        let old = SlotEdit.create(.frames(8), host: 0x1000_0000, flags: .logDirtyPages)
        var first = Transaction(steps: [.edit(old)])
        try first.run(on: &table, through: &kvm)

        // Delete, create, create; then the undoing of the first create fails as well.
        kvm.startCounting(failing: [2: .outOfMemory, 3: .outOfMemory])
        var second = Transaction(steps: [
            .edit(.delete(0)), .edit(.create(.frames(9), host: 0x1000_0000, flags: [])),
            .edit(.create(.frames(20), host: 0x1000_1000, flags: [])),
        ])
        let error = #expect(throws: TransactionError.self) {
            try second.run(on: &table, through: &kvm)
        }
        #expect(error?.stuck.count == 2)
        #expect(table.all.map(\.range) == [.frames(9)] && Array(table.all) == kvm.kvm.byAddress)
    }

    /// Fails a call of the change, and then each call of undoing it.
    private static func eachFailedUndo(
        of change: RandomChange, in before: World, body: (World, TransactionError) throws -> Void
    ) throws {
        var after = before
        try ensure(error(of: change, in: &after) == nil)
        for number in after.kvm.calls.indices {
            var undone = before
            undone.kvm.startCounting(failing: [number: .outOfMemory])
            _ = error(of: change, in: &undone)
            for undo in undone.kvm.calls.indices where undo > number {
                var world = before
                world.kvm.startCounting(failing: [number: .outOfMemory, undo: errnos[undo % 4]])
                guard case .transaction(let error) = error(of: change, in: &world) else {
                    throw Failure("call \(number) failed, the change did not")
                }
                try body(world, error)
            }
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }
}
