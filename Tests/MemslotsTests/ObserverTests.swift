import Testing

@testable import Memslots

/// What observers hear, and what becomes of one that refuses.
@Suite struct ObserverTests {
    private let observer = FakeObserver()
    private var world = World(policy: .separate)

    private static func mapping(_ frame: UInt64, _ access: Access = .readWrite) -> Mapping {
        Mapping(
            range: .frames(frame), backing: Backing(offset: frame << 12), access: access, owner: .other(Int(frame)))
    }

    private func heard(_ frame: UInt64, isAdded: Bool) -> FakeObserver.Call {
        FakeObserver.Call(mapping: Self.mapping(frame), isAdded: isAdded)
    }

    init() throws {
        try world.change(adding: [Self.mapping(8), Self.mapping(9), Self.mapping(0x30)])
        world.kvm.startCounting()
    }

    private static func error(_ body: () throws(AddressSpaceError) -> Void) throws -> TransactionError {
        let found: AddressSpaceError
        do throws(AddressSpaceError) {
            try body()
            throw .tooManySlots(needed: 0, limit: 0)
        } catch { found = error }
        guard case .transaction(let error) = found else { throw found }
        return error
    }

    private struct Missing: Error {}

    // MARK: Adding and removing

    @Test mutating func newObserverHearsOfAllMappings() throws {
        _ = try world.addObserver(observer)
        #expect(observer.calls == [heard(8, isAdded: true), heard(9, isAdded: true), heard(0x30, isAdded: true)])
        #expect(world.kvm.parks == 1 && world.kvm.resumes == 1 && world.kvm.calls.isEmpty)
    }

    @Test mutating func observerHearsOnlyOfWhatItMirrors() throws {
        let some = FakeObserver { $0.access == .readOnly }
        try world.change(adding: [Self.mapping(0x40, .readOnly)])
        _ = try world.addObserver(some)
        try world.change(
            removing: [.frames(8)], adding: [Self.mapping(0x41, .readOnly), Self.mapping(0x42)])
        #expect(some.contents == [Self.mapping(0x40, .readOnly), Self.mapping(0x41, .readOnly)])
        try world.change(removing: [.frames(0x40), .frames(9)])
        #expect(some.contents == [Self.mapping(0x41, .readOnly)])
        #expect(some.calls.count == 3 && some.current.complaints.isEmpty)
    }

    @Test mutating func observerThatRefusesAMappingForgetsAll() throws {
        observer.startCounting(failing: [2: .outOfMemory])
        let error = try Self.error { () throws(AddressSpaceError) in _ = try world.addObserver(observer) }
        guard case .observer(_, Self.mapping(0x30), isAdded: true) = error.step else { throw Missing() }
        #expect(error.cause == .kernel(.outOfMemory) && error.lost.isEmpty && error.stuck.isEmpty)
        #expect(observer.contents.isEmpty && observer.calls.count == 5)
        observer.startCounting()
        try world.change(removing: [.frames(8)], adding: [Self.mapping(0x50)])
        #expect(observer.calls.isEmpty)
    }

    @Test mutating func observerThatIsRemovedForgetsAll() throws {
        let id = try world.addObserver(observer)
        observer.startCounting()
        try world.removeObserver(id)
        #expect(observer.contents.isEmpty && observer.calls.count == 3 && observer.current.complaints.isEmpty)
        observer.startCounting()
        try world.change(removing: [.frames(8)], adding: [Self.mapping(0x50)])
        try world.removeObserver(id)
        #expect(observer.calls.isEmpty)
    }

    /// It goes on mirroring what it did, and can be removed later.
    @Test mutating func removalThatIsRefusedChangesNothing() throws {
        let id = try world.addObserver(observer)
        let contents = observer.contents
        observer.startCounting(failing: [1: .again])
        let error = try Self.error { () throws(AddressSpaceError) in try world.removeObserver(id) }
        #expect(error.step == .observer(id, Self.mapping(9), isAdded: false) && error.lost.isEmpty)
        #expect(observer.contents == contents)
        try world.change(adding: [Self.mapping(0x50)])
        #expect(observer.contents == contents.union([Self.mapping(0x50)]))
        try world.removeObserver(id)
        #expect(observer.contents.isEmpty && observer.current.complaints.isEmpty)
    }

    @Test mutating func numbersOfObserversAreNotUsedAgain() throws {
        let first = try world.addObserver(observer)
        try world.removeObserver(first)
        observer.startCounting(failing: [0: .again])
        _ = try? world.addObserver(observer)
        let second = try world.addObserver(observer)
        #expect(first != second)
        let other = try world.addObserver(FakeObserver())
        #expect(other != second && other != first)
    }

    // MARK: Changes

    /// Removals are heard of before KVM's slots change, additions afterwards: nothing is mirrored that the guest could not reach.
    @Test mutating func observersHearBeforeAndAfterTheSlots() throws {
        _ = try world.addObserver(observer)
        let change = MemoryChange(removed: [.frames(8)], added: [Self.mapping(0x50)])

        observer.startCounting(failing: [0: .again])
        world.kvm.startCounting()
        let before = try Self.error { () throws(AddressSpaceError) in try world.change(change) }
        #expect(before.number == 0 && world.kvm.calls.isEmpty)

        observer.startCounting(failing: [1: .again])
        world.kvm.startCounting()
        let after = try Self.error { () throws(AddressSpaceError) in try world.change(change) }
        #expect(after.number == after.count - 1)
        // A delete and a create, and both undone.
        #expect(world.kvm.calls.count == 4 && world.problem == nil)
        #expect(observer.calls.last == heard(8, isAdded: true))
    }

    /// The first that was added hears first, and takes back last.
    @Test mutating func observersHearInTheOrderInWhichTheyWereAdded() throws {
        let observers = (0..<9).map { _ in FakeObserver() }
        var ids: [ObserverID] = []
        for observer in observers { ids.append(try world.addObserver(observer)) }
        for (number, observer) in observers.enumerated() {
            for observer in observers { observer.startCounting() }
            observer.startCounting(failing: [0: .outOfMemory])
            let error = try Self.error { () throws(AddressSpaceError) in
                try world.change(adding: [Self.mapping(0x50)])
            }
            #expect(error.step == .observer(ids[number], Self.mapping(0x50), isAdded: true))
            #expect(observers.map(\.calls.count) == (0..<9).map { $0 < number ? 2 : $0 == number ? 1 : 0 })
        }
    }

    @Test mutating func mappingThatComesBackIsHeardOfTwice() throws {
        _ = try world.addObserver(observer)
        observer.startCounting()
        try world.change(removing: [.frames(8)], adding: [Self.mapping(8)])
        #expect(observer.calls == [heard(8, isAdded: false), heard(8, isAdded: true)])
        #expect(observer.current.complaints.isEmpty && world.problem == nil)
    }

    // MARK: Observers that are lost

    /// It refuses the second mapping and cannot take back the first: it hears of nothing more, and all others are as before.
    @Test mutating func observerThatCannotTakeBackIsLost() throws {
        let (lost, other) = (observer, FakeObserver())
        let id = try world.addObserver(lost)
        _ = try world.addObserver(other)
        let (before, contents) = (world, other.contents)
        world.kvm.startCounting()
        lost.startCounting(failing: [2: .outOfMemory, 3: .badDescriptor])
        let error = try Self.error { () throws(AddressSpaceError) in
            try world.change(
                removing: [.frames(9)], adding: [Self.mapping(0x50), Self.mapping(0x51), Self.mapping(0x52)])
        }
        #expect(error.step == .observer(id, Self.mapping(0x51), isAdded: true))
        #expect(error.cause == .kernel(.outOfMemory) && error.lost == [id] && error.stuck.isEmpty)
        #expect("\(error)".contains("could not take back"))
        // Frame 9 goes, two come, and the undoing of the first fails; it is not asked for frame 9 then.
        #expect(lost.calls.count == 4)
        #expect(world.isSame(as: before) && other.contents == contents && other.current.complaints.isEmpty)

        lost.startCounting()
        try world.change(removing: [.frames(8)], adding: [Self.mapping(0x60)])
        try world.removeObserver(id)
        #expect(lost.calls.isEmpty)
        #expect(other.contents == Set(world.mapped) && world.problem == nil)
    }

    @Test mutating func newObserverThatCannotTakeBackIsLost() throws {
        observer.startCounting(failing: [1: .outOfMemory, 2: .badDescriptor])
        let error = try Self.error { () throws(AddressSpaceError) in _ = try world.addObserver(observer) }
        #expect(error.lost.count == 1 && error.stuck.isEmpty)
        observer.startCounting()
        try world.change(removing: [.frames(8)])
        #expect(observer.calls.isEmpty)
    }

    // MARK: Events

    private static let event = IOEvent(address: 0xfee0_0000, isPort: false, size: 4, match: 7)

    @Test mutating func eventsAloneAreAChange() throws {
        try world.change(MemoryChange(addedEvents: [Self.event]))
        #expect(world.kvm.events == [Self.event] && world.kvm.parks == 1 && world.kvm.resumes == 1)
        try world.change(MemoryChange(removedEvents: [Self.event]))
        #expect(world.kvm.events.isEmpty && world.problem == nil)
        #expect(MemoryChange().isEmpty && !MemoryChange(addedEvents: [Self.event]).isEmpty)
    }

    /// An event leaves before the memory around it, and comes after it.
    @Test mutating func eventsAreTheFirstThatGoesAndTheLastThatComes() throws {
        var other = Self.event
        other.match = nil
        try world.change(MemoryChange(addedEvents: [Self.event]))
        world.kvm.startCounting()
        try world.change(
            MemoryChange(
                removed: [.frames(8)], added: [Self.mapping(0x50)], removedEvents: [Self.event], addedEvents: [other]))
        #expect(world.kvm.calls.first == .event(Self.event, isTaken: false))
        #expect(world.kvm.calls.last == .event(other, isTaken: true))
        #expect(world.kvm.calls.count == 4 && world.problem == nil)
    }

    @Test func installerWithoutDevicesTakesNoEvents() throws {
        struct Installer: SlotInstaller {
            mutating func park() {}
            mutating func resume() {}
            mutating func set(_ request: SlotRequest) throws(SlotErrno) {}
            mutating func place(_ piece: WindowPiece) throws(SlotErrno) {}
            mutating func clear(_ piece: WindowPiece) throws(SlotErrno) {}
            mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] { [] }
        }
        var installer = Installer()
        var space = world.space
        let error = try Self.error { () throws(AddressSpaceError) in
            try space.change(
                MemoryChange(added: [Self.mapping(0x50)], addedEvents: [Self.event]), through: &installer)
        }
        #expect(error.step == .event(Self.event, isTaken: true) && error.cause == .kernel(.invalidArgument))
        #expect(Array(space.table.all) == world.slots && space.mappings(in: .everything) == world.mapped)
    }
}
