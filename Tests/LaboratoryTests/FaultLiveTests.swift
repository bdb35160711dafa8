import Board
import Layouts
import LiveSupport
import Machine
import Memslots
import PropertySupport
import Testing

@testable import Laboratory

/// Each call of a transaction fails once, with a real KVM behind the others: KVM holds afterwards what the table says, and
/// the guest sees what it saw before.
@Suite("Faults in transactions", .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct FaultLiveTests {
    /// A bare machine of which one call fails.
    private struct FaultyMachine: SlotInstaller, ~Copyable {
        var machine: BareMachine
        var calls = 0
        /// Which call fails, counted from 0, and how.
        var fault: (call: Int, errno: SlotErrno)?

        init(_ machine: consuming BareMachine) {
            self.machine = machine
        }

        private mutating func count() throws(SlotErrno) {
            defer { calls += 1 }
            if let fault, fault.call == calls { throw fault.errno }
        }

        mutating func park() {}
        mutating func resume() {}

        mutating func set(_ request: SlotRequest) throws(SlotErrno) {
            try count()
            try machine.installer.set(request)
        }

        mutating func place(_ piece: WindowPiece) throws(SlotErrno) {
            try count()
            try machine.installer.place(piece)
        }

        mutating func clear(_ piece: WindowPiece) throws(SlotErrno) {
            try count()
            try machine.installer.clear(piece)
        }

        mutating func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
            try count()
            return try machine.installer.takeDirtyLog(of: slot)
        }
    }

    private static let pages = 12
    private static let errnos: [SlotErrno] = [.outOfMemory, .interrupted, .again, .badDescriptor]

    private static func range(_ place: Int) throws -> GuestRange {
        try #require(
            GuestRange(
                first: GuestAddress(AddressMap.standard.apertures.low.first.rawValue + UInt64(place) << 12), size: 4096)
        )
    }

    private static func mapping(_ place: Int, page: Int, _ access: Access = .readWrite) throws -> Mapping {
        Mapping(
            range: try range(place), backing: Backing(offset: UInt64(page) << 12), access: access,
            owner: .other(Int(page))
        )
    }

    /// What the guest sees in each place.
    private static func words(_ machine: inout FaultyMachine) throws -> [BareMachine.ReadResult] {
        try (0..<2 * pages).map { try machine.machine.readWord(at: try range($0).first) }
    }

    @Test(
        "a fault at any call, with any errno, leaves all as before; then the same change goes through",
        arguments: SlotPolicy.allCases, propertySeeds)
    func faults(policy: SlotPolicy, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var machine = FaultyMachine(
            try BareMachine(memory: UInt64(Self.pages) << 12, hasReader: true, hasWindows: policy == .coalesced))
        for page in 0..<Self.pages {
            machine.machine.write(Label(number: page).bytes, at: UInt64(page) << 12)
        }
        var space = AddressSpace(
            limits: machine.machine.limits, policy: policy, placement: machine.machine.placement)
        // By place: the page there.
        var contents = [Int: Int]()
        var faults = 0
        for _ in 0..<40 {
            // In order, for sets have another one in each process: a seed is to repeat a run.
            let places = Set((0..<4).map { _ in Int.random(in: 0..<2 * Self.pages, using: &random) }).sorted()
            let idle = (0..<Self.pages).filter { page in
                !contents.contains { $0.value == page && !places.contains($0.key) }
            }
            let new = Dictionary(
                uniqueKeysWithValues: zip(
                    places.filter { _ in Bool.random(using: &random) }, idle.shuffled(using: &random)))
            let removing = try places.filter { contents[$0] != nil }.map(Self.range)
            let adding = try new.sorted { $0.key < $1.key }.shuffled(using: &random)
                .map { try Self.mapping($0.key, page: $0.value) }
            if let place = contents.keys.sorted().randomElement(using: &random) {
                try space.setDirtyLogging(Bool.random(using: &random), in: try Self.range(place), through: &machine)
            }
            let before = try Self.words(&machine)
            let slots = Array(space.table.all)

            for call in 0... {
                let errno = Self.errnos[(call + faults) % 4]
                machine.calls = 0
                machine.fault = (call, errno)
                var failed = false
                do throws(AddressSpaceError) {
                    try space.change(removing: removing, adding: adding, through: &machine)
                } catch {
                    failed = true
                    guard case .transaction(let cause) = error else { throw error }
                    #expect(cause.cause == .kernel(errno) && cause.stuck.isEmpty, "seed \(seed): \(error)")
                }
                machine.fault = nil
                guard failed else { break }
                faults += 1
                #expect(Array(space.table.all) == slots, "seed \(seed)")
                #expect(try Self.words(&machine) == before, "seed \(seed), call \(call)")
            }
            for place in places { contents[place] = new[place] }
            let expected = (0..<2 * Self.pages).map { place in
                contents[place].map { BareMachine.ReadResult.word(Label(number: $0).word) } ?? .hole
            }
            #expect(try Self.words(&machine) == expected, "seed \(seed)")
        }
        #expect(faults > 60)
    }
}
