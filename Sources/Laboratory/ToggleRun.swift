internal import Devices
public import Machine
public import Memslots
public import PCI

/// Switches the memory decode of every function of a machine off and on again, over and over, while a guest watches their
/// BARs and trapped registers.
///
/// KVM remembers, for addresses that trap, that there is no slot, by a generation number of 19 bits that each swap of its
/// slot set counts up (`arch/x86/kvm/mmu/spte.h`, MMIO_SPTE_GEN); once it wraps, all of that is dropped.
public struct ToggleRun: Sendable {
    /// With one way to make slots and one way to decode.
    public struct Part: Sendable {
        public let policy: SlotPolicy
        public let decode: DecodePolicy
        /// A function's decode, off and on again.
        public fileprivate(set) var toggles = 0
        public fileprivate(set) var edits = EditCounts()
        /// Of each toggle: two writes to a command register and what they lead to.
        public fileprivate(set) var latencies = Latencies()
        public fileprivate(set) var duration = Duration.zero
        public fileprivate(set) var guest = GuestFindings()
        /// Whether the guest has looked at everything after the last toggle.
        public fileprivate(set) var isLookedAt = false
        public fileprivate(set) var outcome = Outcome.timeout
        public fileprivate(set) var vcpus: [VCPUState] = []
    }

    public private(set) var parts: [Part] = []
    /// Functions of the machine; where there are several, one whose registers trap keeps its decode on.
    public let functions: Int
    public private(set) var isInterrupted = false

    /// Swaps of the slot set after which the generation of KVM has been through all its values.
    public static let swapsUntilWrap: UInt64 = 1 << 19

    /// Toggles the functions in all four ways: `operations` toggles each or, without a number, twice all of them, and where
    /// each toggle edits slots one by one, until the generation has wrapped.
    public init(
        _ functions: [FunctionAddress: FunctionDescription], operations: Int? = nil, limit: Duration? = nil,
        mayExhaustHost: Bool = false, observer: inout Observer
    ) throws(MachineError) {
        self.functions = functions.count
        for policy in SlotPolicy.allCases {
            for decode in DecodePolicy.allCases where !observer.hasInterrupted {
                var (image, configuration) = WatchedPlaces.configuration(vcpus: 1)
                configuration.functions = functions
                configuration.policy = policy
                configuration.decode = decode
                configuration.mayExhaustHost = mayExhaustHost
                let wraps = operations == nil && policy == .separate && decode == .strict
                var part = Part(policy: policy, decode: decode)
                let machine = try GuestMachine(configuration, flat: image)
                try part.run(
                    ToggledFunctions(functions, decode: decode, of: machine), on: machine,
                    until: operations ?? 2 * functions.count, swaps: wraps ? Self.swapsUntilWrap : 0, limit: limit,
                    &observer)
                parts.append(part)
            }
        }
        isInterrupted = observer.hasInterrupted
    }

    public var toggles: Int { parts.reduce(0) { $0 + $1.toggles } }
    public var edits: UInt64 { parts.reduce(0) { $0 + $1.edits.total } }
    public var duration: Duration { parts.reduce(.zero) { $0 + $1.duration } }
    public var guestChecks: UInt64 { parts.reduce(0) { $0 + $1.guest.checks } }
    public var guestErrors: UInt64 { parts.reduce(0) { $0 + $1.guest.errors } }

    /// How often the generation has been through all its values, on the machine with most edits.
    public var generationWraps: UInt64 {
        parts.map(\.edits.slotSetSwaps).max().map { $0 / Self.swapsUntilWrap } ?? 0
    }

    /// Whether each guest ran to its end, looked at everything after the last toggle, and saw nothing wrong.
    public var isOK: Bool {
        parts.allSatisfy(\.isOK) && !parts.isEmpty
    }
}

extension ToggleRun.Part {
    public var isOK: Bool {
        outcome == .exited(0) && guest.errors == 0 && isLookedAt && toggles > 0
    }

    fileprivate mutating func run(
        _ world: ToggledFunctions, on machine: GuestMachine, until count: Int, swaps: UInt64, limit: Duration?,
        _ observer: inout Observer
    ) throws(MachineError) {
        var world = world
        let before = machine.edits
        let running = try RunningMachine(machine)
        observer.begin(
            "toggling, \(policy.rawValue) slots, \(decode.rawValue) decode", total: swaps > 0 ? nil : count,
            limit: limit)
        do throws(MachineError) {
            while toggles < count || edits.slotSetSwaps < swaps, !world.toggled.isEmpty, observer.goesOn(toggles),
                !running.hasEnded
            {
                let time = try world.toggle(world.toggled[toggles % world.toggled.count])
                latencies.append(time)
                duration += time
                toggles += 1
                edits = machine.edits - before
            }
        } catch {
            world.watched.end()
            _ = try? running.report(within: .seconds(10))
            throw error
        }
        isLookedAt = world.watched.awaitAnotherRound(of: running)
        world.watched.end()
        let report = try running.report(within: .seconds(10))
        guest = world.watched.findings
        outcome = report.outcome
        vcpus = report.vcpus
    }
}

extension EditCounts {
    /// How often KVM has swapped its slot set: once for a create or for flags, twice for a delete or a move
    /// (`virt/kvm/kvm_main.c`, kvm_set_memslot).
    public var slotSetSwaps: UInt64 {
        created + flagged + 2 * (deleted + moved)
    }
}
