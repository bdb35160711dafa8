import PropertySupport
import Testing

@testable import Memslots

/// Each call of random changes fails once, of mappings, events and two observers: all of them are as before, and the error names
/// the step.
@Suite struct ObserverFaultTests {
    /// A world with two observers, of which one mirrors everything and one what the guest may write.
    private struct Scene {
        var world: World
        let observers = [FakeObserver(), FakeObserver { $0.access == .readWrite }]
        var ids: [ObserverID] = []

        init(policy: SlotPolicy) throws {
            world = World(policy: policy)
            for observer in observers { ids.append(try world.addObserver(observer)) }
        }

        var contents: [Set<Mapping>] { observers.map(\.contents) }
        var complaints: [String] { world.kvm.complaints + observers.flatMap(\.current.complaints) }

        /// What the observers mirror is what is mapped.
        var observersFollow: Bool {
            observers.allSatisfy { observer in observer.contents == Set(world.mapped.filter(observer.mirrors)) }
        }

        /// Puts the observers back to what they mirrored: the world is a value, they are not.
        func startCounting(_ contents: [Set<Mapping>]) {
            for (observer, contents) in zip(observers, contents) {
                observer.current = FakeObserver.State(contents: contents)
            }
        }
    }

    /// A call of KVM or of an observer.
    private enum Fault {
        case kvm(Int)
        case observer(Int, call: Int)
    }

    private static let events = [0, 1, 2, 3, 4, 5].map { (number: UInt64) -> IOEvent in
        let match: UInt64? = number.isMultiple(of: 3) ? nil : number
        return IOEvent(address: 0x1000 * number, isPort: number.isMultiple(of: 2), size: 4, match: match)
    }

    private static func change(of world: World, using random: inout SplitMix64) -> MemoryChange? {
        let mappings = RandomChange(of: world, using: &random)
        guard mappings.verdict(in: world) == .accepted else { return nil }
        var change = MemoryChange(removed: mappings.removing, added: mappings.adding)
        for event in events where Int.random(in: 0..<3, using: &random) == 0 {
            if world.events.contains(event) {
                change.removedEvents.append(event)
            } else {
                change.addedEvents.append(event)
            }
        }
        return change
    }

    private static func error(of change: MemoryChange, in world: inout World) -> AddressSpaceError? {
        do throws(AddressSpaceError) {
            try world.change(change)
            return nil
        } catch { return error }
    }

    /// Random scenes, and a change of each that it accepts; the scene goes on from there.
    private static func scenarios(
        _ count: Int, seed: UInt64, policy: SlotPolicy, body: (inout Scene, MemoryChange) throws -> Void
    ) throws {
        var random = SplitMix64(seed: seed)
        var scene = try Scene(policy: policy)
        var done = 0
        while done < count {
            guard let change = change(of: scene.world, using: &random), !change.isEmpty else { continue }
            if Bool.random(using: &random), let mapping = scene.world.mapped.randomElement(using: &random) {
                try scene.world.setDirtyLogging(Bool.random(using: &random), in: mapping.range)
            }
            let contents = scene.contents
            scene.world.kvm.startCounting()
            try body(&scene, change)
            scene.startCounting(contents)
            scene.world.kvm.startCounting()
            try scene.world.change(change)
            try ensure(scene.world.problem == nil && scene.observersFollow, "seed \(seed), \(change)")
            try ensure(scene.complaints.isEmpty, "seed \(seed): \(scene.complaints)")
            done += 1
        }
    }

    /// All calls of a change that goes through.
    private static func faults(of change: MemoryChange, in scene: Scene) throws -> [Fault] {
        var world = scene.world
        let contents = scene.contents
        scene.startCounting(contents)
        try ensure(error(of: change, in: &world) == nil)
        let faults =
            world.kvm.calls.indices.map { Fault.kvm($0) }
            + scene.observers.indices.flatMap { number in
                scene.observers[number].calls.indices.map { Fault.observer(number, call: $0) }
            }
        scene.startCounting(contents)
        return faults
    }

    private static func arrange(_ fault: Fault, _ errno: SlotErrno, in scene: Scene, _ world: inout World) {
        switch fault {
        case .kvm(let call): world.kvm.failures[call] = errno
        case .observer(let number, let call): scene.observers[number].current.failures[call] = errno
        }
    }

    /// Whether a step is the one that the fault's call belongs to.
    private static func isStep(_ step: TransactionStep, of fault: Fault, in scene: Scene, _ world: World) -> Bool {
        switch fault {
        case .observer(let number, let call):
            let heard = scene.observers[number].calls[call]
            return step == .observer(scene.ids[number], heard.mapping, isAdded: heard.isAdded)
        case .kvm(let call):
            switch (world.kvm.calls[call], step) {
            case (.place(let piece), .place(let other)), (.clear(let piece), .clear(let other)): return piece == other
            case (.event(let event, let isTaken), .event(let other, let otherIsTaken)):
                return event == other && isTaken == otherIsTaken
            case (.takeDirtyLog(let id), .takeDirtyLog(let slot)): return id == slot.id
            case (.set(let request), .edit(.create(let range, let host, _))):
                return request.size > 0 && request.guestAddress == range.first.rawValue && request.hostAddress == host
            case (.set(let request), .edit(.delete(let id))): return request.slot == UInt32(id) && request.size == 0
            case (.set(let request), .edit(.move(let id, let target))):
                return request.slot == UInt32(id) && request.guestAddress == target.rawValue
            case (.set(let request), .edit(.setFlags(let id, let flags))):
                return request.slot == UInt32(id) && request.flags == flags.rawValue
            default: return false
            }
        }
    }

    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func failedCallLeavesAllAsBefore(seed: UInt64, policy: SlotPolicy) throws {
        var kinds: [String: Int] = [:]
        try Self.scenarios(60, seed: seed, policy: policy) { scene, change in
            let before = scene.world
            let contents = scene.contents
            for fault in try Self.faults(of: change, in: scene) {
                let comment: Comment = "seed \(seed), \(fault) of \(change)"
                scene.startCounting(contents)
                var world = before
                Self.arrange(fault, .outOfMemory, in: scene, &world)
                guard case .transaction(let error) = Self.error(of: change, in: &world) else {
                    Issue.record(comment)
                    continue
                }
                try ensure(error.cause == .kernel(.outOfMemory) && error.stuck.isEmpty && error.lost.isEmpty, comment)
                try ensure(Self.isStep(error.step, of: fault, in: scene, world), "\(error.step), \(comment)")
                try ensure(error.number < error.count && "\(error)".contains("ENOMEM"), comment)
                try ensure(world.isSame(as: before) && scene.contents == contents, comment)
                try ensure(world.kvm.complaints.isEmpty && scene.complaints.isEmpty, "\(scene.complaints), \(comment)")
                try ensure(world.kvm.parks == 1 && world.kvm.resumes == 1, comment)
                kinds["\(fault)".prefix { $0 != "(" }.description, default: 0] += 1
            }
            scene.startCounting(contents)
        }
        #expect(kinds["kvm", default: 0] > 50 && kinds["observer", default: 0] > 50, "seed \(seed): \(kinds)")
    }

    /// A call fails, and then the first that an observer is asked to take back: that observer is lost and hears of nothing any more.
    /// Slots, windows, events and the other observer are as before.
    @Test(arguments: propertySeeds, SlotPolicy.allCases)
    func observerThatCannotTakeBackIsLostAlone(seed: UInt64, policy: SlotPolicy) throws {
        var losses = 0
        try Self.scenarios(40, seed: seed, policy: policy) { scene, change in
            let before = scene.world
            let contents = scene.contents
            for fault in try Self.faults(of: change, in: scene) {
                for loser in scene.observers.indices {
                    let comment: Comment = "seed \(seed), \(fault) of \(change), then observer \(loser)"
                    // How many calls it hears until the failure: the next is the first of undoing.
                    scene.startCounting(contents)
                    var undone = before
                    Self.arrange(fault, .outOfMemory, in: scene, &undone)
                    _ = Self.error(of: change, in: &undone)
                    let heard = scene.observers[loser].calls.count
                    var isOwnFault = 0
                    if case .observer(loser, _) = fault { isOwnFault = 1 }
                    guard heard > isOwnFault else { continue }
                    let first = (heard - isOwnFault) / 2 + isOwnFault

                    scene.startCounting(contents)
                    var world = before
                    Self.arrange(fault, .outOfMemory, in: scene, &world)
                    Self.arrange(.observer(loser, call: first), .badDescriptor, in: scene, &world)
                    guard case .transaction(let error) = Self.error(of: change, in: &world) else {
                        Issue.record(comment)
                        continue
                    }
                    try ensure(error.lost == [scene.ids[loser]] && error.stuck.isEmpty, "\(error), \(comment)")
                    try ensure(error.cause == .kernel(.outOfMemory), comment)
                    try ensure(scene.observers[loser].calls.count == first + 1, comment)
                    let other = 1 - loser
                    try ensure(world.isSame(as: before) && scene.contents[other] == contents[other], comment)
                    try ensure(world.kvm.complaints.isEmpty, "\(world.kvm.complaints), \(comment)")

                    // The same change goes through, without the one that is lost.
                    scene.observers[loser].startCounting()
                    scene.observers[other].startCounting()
                    world.kvm.startCounting()
                    try ensure(Self.error(of: change, in: &world) == nil, comment)
                    try ensure(scene.observers[loser].calls.isEmpty && world.problem == nil, comment)
                    let mirrored = Set(world.mapped.filter(scene.observers[other].mirrors))
                    try ensure(scene.observers[other].contents == mirrored, comment)
                    losses += 1
                }
            }
            scene.startCounting(contents)
        }
        #expect(losses > 50, "seed \(seed)")
    }
}
