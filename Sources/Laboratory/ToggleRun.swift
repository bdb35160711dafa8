public import Layouts
public import Machine
public import Memslots
public import PCI

/// An experiment that switches the memory decode of every function of a machine off and on again, over and over, while a guest
/// watches the functions' BARs and trapped registers.
///
/// KVM remembers which addresses have no slot, together with a generation number of 19 bits. Each swap of its slot set counts
/// this number up (`arch/x86/kvm/mmu/spte.h`, MMIO_SPTE_GEN). When the number wraps, KVM drops all that it remembers.
public enum ToggleRun {
    /// The number of swaps after which the generation has been through all its values.
    public static let swapsUntilWrap: UInt64 = 1 << 19

    /// Toggles the functions on four machines, one for each pair of a slot policy and a decode policy.
    ///
    /// - Parameters:
    ///   - operations: The number of toggles on each machine. If it is nil, each function is toggled twice, and the machine with
    ///     separate slots and strict decode goes on until the generation has wrapped.
    ///   - limit: The time for all machines. Each machine gets an equal share of the time that the machines before it have left.
    public static func run(
        _ observer: inout Observer, layout: Layout, operations: Int? = nil, limit: Duration? = nil,
        mayExhaustHost: Bool = false
    ) throws(MachineError) -> ToggleResult {
        var (image, configuration) = try WatchedPlaces.configuration(vcpus: 1, mayExhaustHost: mayExhaustHost)
        configuration.add(layout)
        var parts: [ToggleResult.Part] = []
        let (start, ways) = (SuspendingClock.now, SlotPolicy.allCases.count * DecodePolicy.allCases.count)
        for policy in SlotPolicy.allCases {
            for decode in DecodePolicy.allCases where !observer.hasInterrupted {
                (configuration.policy, configuration.decode) = (policy, decode)
                let machine = try GuestMachine(configuration, flat: image)
                let left = limit.map { max(.milliseconds(1), $0 - (.now - start)) / (ways - parts.count) }
                parts.append(try toggle(layout, of: machine, configuration, operations, left, &observer))
            }
        }
        let toggles = parts.reduce(0) { $0 + $1.toggles }
        return ToggleResult(
            layout: layout.name, functions: layout.functions.count, toggles: toggles,
            edits: parts.reduce(0) { $0 + $1.edits },
            secondsPerToggle: toggles > 0 ? parts.reduce(0) { $0 + $1.seconds } / Double(toggles) : nil,
            generationWraps: (parts.map(\.slotSetSwaps).max() ?? 0) / swapsUntilWrap,
            guestChecks: parts.reduce(0) { $0 + $1.guestChecks }, guestErrors: parts.reduce(0) { $0 + $1.guestErrors },
            partList: parts, interrupted: observer.hasInterrupted, ok: parts.allSatisfy(\.ok) && !parts.isEmpty)
    }

    /// Toggles the functions with one slot policy and one decode policy.
    private static func toggle(
        _ layout: Layout, of machine: GuestMachine, _ configuration: MachineConfiguration, _ operations: Int?,
        _ limit: Duration?, _ observer: inout Observer
    ) throws(MachineError) -> ToggleResult.Part {
        let (policy, decode) = (configuration.policy, configuration.decode)
        var world = ToggledFunctions(layout.byAddress, decode: decode, of: machine)
        let wraps = operations == nil && policy == .separate && decode == .strict
        let (count, swaps) = (operations ?? 2 * layout.functions.count, wraps ? swapsUntilWrap : 0)
        let before = machine.edits
        var (edits, latencies) = (EditCounts(), Latencies())
        observer.begin(
            "toggling, \(policy.rawValue) slots, \(decode.rawValue) decode", total: wraps ? nil : count, limit: limit)
        let watched = world.watched
        let run = try watched.run { running throws(MachineError) in
            while latencies.count < count || edits.slotSetSwaps < swaps, !world.toggled.isEmpty,
                observer.goesOn(latencies.count), !running.hasEnded
            {
                latencies.append(try world.toggle(world.toggled[latencies.count % world.toggled.count]))
                edits = machine.edits - before
            }
        }
        let (toggles, seconds) = (latencies.count, latencies.seconds)
        return ToggleResult.Part(
            policy: policy, decode: decode, toggles: toggles, edits: edits.total, editCounts: edits,
            slotSetSwaps: edits.slotSetSwaps, seconds: seconds,
            secondsPerToggle: toggles > 0 ? seconds / Double(toggles) : nil,
            toggleMicroseconds: latencies.countedSummary, guestChecks: run.findings.checks,
            guestErrors: run.findings.errors, firstError: run.findings.firstError,
            ok: run.isOK && run.isLookedAt && toggles > 0, ending: run.report.ending())
    }
}

/// The result of a `ToggleRun`.
public struct ToggleResult: ExperimentResult {
    /// The part of the result for one slot policy and one decode policy.
    public struct Part: Codable, Sendable {
        /// The slot policy.
        public let policy: SlotPolicy
        /// The decode policy.
        public let decode: DecodePolicy
        /// The number of times that a function's decode was switched off and on again.
        public let toggles: Int
        /// The number of edits of slots.
        public let edits: UInt64
        /// The edits of slots by kind.
        public let editCounts: EditCounts
        /// The number of swaps of KVM's slot set for these edits.
        public let slotSetSwaps: UInt64
        /// The sum of the times of all toggles.
        public let seconds: Double
        /// The mean time of a toggle. Nil without toggles.
        public let secondsPerToggle: Double?
        /// The latencies of toggles. A toggle is two writes to a command register, with the changes of slots that follow.
        public let toggleMicroseconds: LatencySummary?
        /// The number of the guest's checks of places that did not change meanwhile.
        public let guestChecks: UInt64
        /// The number of errors that the guest found.
        public let guestErrors: UInt64
        /// The first error of the guest, in words.
        public let firstError: String?
        /// Whether the guest ran to its end, looked at everything after the last toggle, and saw nothing wrong.
        public let ok: Bool
        /// How the guest ended, with the state of its vCPU if it did not end by itself.
        public let ending: String
    }

    public private(set) var schema = 1
    /// The name of the layout.
    public let layout: String
    /// The number of functions. If there are several, one of those with trapped registers keeps its decode on.
    public let functions: Int
    /// The toggles of all parts together.
    public let toggles: Int
    /// The edits of slots of all parts together.
    public let edits: UInt64
    /// The mean time of a toggle. Nil without toggles.
    public let secondsPerToggle: Double?
    /// The number of times that the generation has been through all its values, on the machine with the most swaps.
    public let generationWraps: UInt64
    /// The guest's checks in all parts together.
    public let guestChecks: UInt64
    /// The errors that the guest found in all parts together.
    public let guestErrors: UInt64
    /// The parts.
    public let partList: [Part]
    public let interrupted: Bool
    public let ok: Bool

    public var problem: String? {
        guard !ok else { return nil }
        guard let part = partList.first(where: { !$0.ok }) else { return "no function has a decode to toggle" }
        return "\(part.policy.rawValue) slots, \(part.decode.rawValue) decode: \(part.firstError ?? part.ending)"
    }
}

extension EditCounts {
    /// The number of times that KVM has swapped its slot set: once for a create or a change of flags, twice for a delete or a
    /// move (`virt/kvm/kvm_main.c`, kvm_set_memslot).
    public var slotSetSwaps: UInt64 {
        created + flagged + 2 * (deleted + moved)
    }
}
