import CountedMalloc
import IdleInstaller
import Images
import Machine
import Memslots
import Synchronization
import Testing

#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif

/// Tests that operations which are done by the million allocate nothing once they have been done a few times: exits. A change
/// of few slots, by planner, table and transaction, allocates as much among many slots as among few. No kernel is behind these
/// changes.
@Suite("Allocations in steady state", .enabled(if: isOptimized, "debug builds allocate: swift test -c release"))
struct AllocationTests {
    // MARK: Exits

    enum Access: CaseIterable {
        case portRead, portWrite, memoryRead, memoryWrite

        /// One access in 32-bit code. ebx is the address of a device.
        var code: [UInt8] {
            switch self {
            case .portRead: [0xe4, 0xe0]  // in al, 0xe0
            case .portWrite: [0xe6, 0xe1]  // out 0xe1, al
            case .memoryRead: [0x8b, 0x03]  // mov eax, [ebx]
            case .memoryWrite: [0x89, 0x03]  // mov [ebx], eax
            }
        }
    }

    @Test("an exit allocates nothing", arguments: Access.allCases)
    func exits(_ access: Access) throws {
        // mov ebx, 0xff000000, where memory is a device's
        var code: [UInt8] = [0xbb, 0x00, 0x00, 0x00, 0xff]
        let print: [UInt8] = [0xb0, 0x2e, 0xe6, 0xe9]  // mov al, '.'; out 0xe9, al
        code += print
        // There are three times as many exits between the second and the third mark as between the first and the second.
        for count in [UInt8(10), 30] {
            code += [0xb9, count, 0x00, 0x00, 0x00] + access.code + [0xe2, UInt8(truncatingIfNeeded: -4)] + print
        }
        code += [0xb0, 0x00, 0xe6, 0xf4]  // mov al, 0; out 0xf4, al
        // The guest's output is taken in the thread of its vCPU, as its exits are.
        let marks = Mutex<[UInt64]>([])
        marks.withLock { $0.reserveCapacity(3) }
        let machine = try GuestMachine(MachineConfiguration(mode: .protected), flat: code) { _, _ in
            marks.withLock { $0.append(counted_mallocs()) }
        }
        #expect(try machine.run().outcome == .exited(0))
        let counts = marks.withLock { $0 }
        try #require(counts.count == 3)
        #expect(counts[2] - counts[1] == counts[1] - counts[0], "\(counts)")
    }

    // MARK: Edits

    @Test("a change of a slot allocates no more among many than among few", arguments: SlotPolicy.allCases)
    func edits(policy: SlotPolicy) throws {
        var few = try Space(policy: policy, slots: 32)
        var many = try Space(policy: policy, slots: 30_000)
        let (number, other) = (16, 15_000)
        for change in Change.allCases {
            let expected = try allocations { try change.make(in: &few, at: number) }
            let found = try allocations { try change.make(in: &many, at: other) }
            #expect(found <= expected, "\(change)")
            // An edit takes a few lists, at most 20 allocations.
            #expect(expected <= 20 * UInt64(change.edits), "\(change)")
        }
    }

    /// A change and its undoing.
    private enum Change: CaseIterable {
        case deleteAndCreate, move, readOnly, eightAtOnce, eightInDisorder, oneByOne, dirtyLogging

        var edits: Int {
            switch self {
            case .eightAtOnce, .eightInDisorder: 16
            default: 2
            }
        }

        func make(in space: inout Space, at number: Int) throws {
            let one = try space.mapping(number)
            switch self {
            case .deleteAndCreate: try exchange([one], [one], in: &space)
            case .move: try exchange([one], [try space.mapping(number, row: 1)], in: &space)
            case .readOnly: try exchange([one], [try space.mapping(number, access: .readOnly)], in: &space)
            case .eightAtOnce, .eightInDisorder:
                let eight = try (1...8).map { try space.mapping(number + $0) }
                try exchange(eight, self == .eightAtOnce ? eight : eight.reversed(), in: &space)
            case .oneByOne:
                try space.change(removing: [one.range])
                try space.change(adding: [one])
            case .dirtyLogging:
                try space.setDirtyLogging(true, in: one.range)
                try space.setDirtyLogging(false, in: one.range)
            }
        }

        private func exchange(_ gone: [Mapping], _ new: [Mapping], in space: inout Space) throws {
            try space.change(removing: gone.map(\.range), adding: new)
            try space.change(removing: new.map(\.range), adding: gone)
        }
    }

    @Test("a look-up allocates nothing")
    func lookups() throws {
        let space = try Space(policy: .separate, slots: 1000)
        let places = try (0..<1000).map { try space.mapping($0).range }
        #expect(
            allocations {
                for place in places {
                    _ = space.space.table.find(place.first)
                    _ = space.space.table.find(place.last.advanced(by: 1) ?? place.last)
                }
            } == 0)
    }

    /// Returns the allocations of this thread in the third of three calls.
    private func allocations(_ body: () throws -> Void) rethrows -> UInt64 {
        try body()
        try body()
        let before = counted_mallocs()
        try body()
        return counted_mallocs() - before
    }
}

/// An address space whose slots go to an installer that does nothing.
private struct Space {
    var space: AddressSpace
    private var installer = IdleInstaller()

    static let aperture = 0xd000_0000 as UInt64

    init(policy: SlotPolicy, slots: Int) throws {
        let aperture = try #require(GuestRange(first: GuestAddress(Self.aperture), size: 1 << 29))
        space = AddressSpace(
            limits: SlotLimits(userSlots: 32764), policy: policy,
            placement: Placement(backings: [1 << 40], windows: [HostWindow(aperture: aperture, host: 1 << 41)]))
        let mappings = try (0..<slots).map { try mapping($0) }
        try space.change(adding: mappings, through: &installer)
    }

    /// Returns the mapping of a page. Every third page is mapped, so that each mapping has its own slot under both policies.
    /// Row 1 has the next page.
    func mapping(_ number: Int, row: UInt64 = 0, access: Memslots.Access = .readWrite) throws -> Mapping {
        let range = GuestRange(
            first: GuestAddress(Self.aperture + (UInt64(number) * 3 + row) * Page.size), size: Page.size)
        return Mapping(
            range: try #require(range), backing: Backing(offset: UInt64(number) * Page.size), access: access,
            owner: .bar(function: 0x20, number: 2))
    }

    mutating func change(removing: [GuestRange] = [], adding: [Mapping] = []) throws {
        try space.change(removing: removing, adding: adding, through: &installer)
    }

    mutating func setDirtyLogging(_ logs: Bool, in range: GuestRange) throws {
        try space.setDirtyLogging(logs, in: range, through: &installer)
    }
}
