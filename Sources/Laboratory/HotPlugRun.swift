internal import Host
public import Layouts
public import Machine

/// An experiment that adds and removes functions of a layout at random, while vCPUs run the guest `hotplug` and use the
/// functions that are there.
///
/// The guest uses the functions that are in slots of ports. Such a function goes after the monitor has asked the guest to give
/// it back, or without a request. All other functions are removed and added without a word to the guest.
public enum HotPlugRun {
    /// Adds functions `cycles` times, and removes functions in between. Then puts all functions back to their first state.
    public static func run(
        _ observer: inout Observer, layout: Layout, cycles: Int, vcpus: Int, seed: UInt64, mayExhaustHost: Bool = false
    ) throws(MachineError) -> HotPlugResult {
        guard cycles > 0 else { throw .experiment("\(cycles) cycles: the test needs at least one") }
        var (image, configuration) = try WatchedPlaces.configuration(
            of: "hotplug", vcpus: vcpus, mayExhaustHost: mayExhaustHost)
        configuration.add(layout)
        let machine = try GuestMachine(configuration, flat: image)
        var world = try PluggedFunctions(layout, machine, vcpus: vcpus, seed: seed)
        observer.begin("cycling functions", total: cycles)
        var (before, after): (HotPlugResult.Counts?, HotPlugResult.Counts?)
        let watched = world.watched
        let run = try watched.run { running throws(MachineError) in
            world.running = running
            // The process keeps some memory for later. The first cycles make it take this memory before the resources are
            // counted, so that the memory does not look lost.
            try world.cycle(min(cycles, 50)) { _ in true }
            try world.restore()
            before = try HotPlugResult.Counts.settled(machine)
            try world.cycle(cycles) { observer.goesOn($0) }
            try world.restore()
            after = try HotPlugResult.Counts.settled(machine, like: before)
            world.running = nil
        }
        guard let before, let after else { preconditionFailure("the counts are taken in the run") }
        let problem =
            world.problem ?? run.findings.firstError
            ?? (run.isOK ? nil : "the guest did not end well: \(run.report.ending())")
            ?? (before.isKept(in: after) ? nil : "not everything is as it was before")
        return HotPlugResult(
            layout: layout.name, cycles: world.cycles, places: world.places, addMicroseconds: world.adding.summary,
            removeMicroseconds: world.removing.summary, returnMicroseconds: world.returning.summary,
            guestUses: world.uses, guestChecks: run.findings.checks, guestErrors: run.findings.errors, before: before,
            after: after, seed: seed, interrupted: observer.hasInterrupted, problem: problem, ok: problem == nil)
    }
}

/// The result of a `HotPlugRun`.
public struct HotPlugResult: ExperimentResult {
    /// The counts of the resources that functions take.
    public struct Counts: Codable, Sendable {
        /// The machine's own count of what it holds of KVM and of the host.
        public let held: HeldResources
        /// The open file descriptors of this process.
        public let descriptors: Int
        /// The kernel's memory for vmalloc on the whole host (VmallocUsed), in bytes.
        public let vmallocBytes: UInt64
        /// The memory of this process (VmRSS), in bytes.
        public let residentBytes: UInt64

        init(_ machine: GuestMachine) throws(MachineError) {
            held = machine.held
            descriptors = HostDirectory.names(in: "/proc/self/fd")?.count ?? 0
            vmallocBytes = try KernelBytes.used()
            residentBytes = try host(try KernelFigures.ofProcess()).bytes("VmRSS") ?? 0
        }

        /// Takes the counts once they no longer change, or are like earlier ones. A vCPU that has let a function go gives back
        /// the function's resources some time after the function is gone.
        static func settled(_ machine: GuestMachine, like earlier: Counts? = nil) throws(MachineError) -> Counts {
            var (counts, since) = (try Counts(machine), SuspendingClock.now)
            let deadline = since + .seconds(20)
            while SuspendingClock.now < deadline, earlier?.isKept(in: counts) != true {
                HostThread.sleep(for: .milliseconds(10))
                let next = try Counts(machine)
                if !counts.isKept(in: next) { since = .now }
                counts = next
                if earlier == nil, SuspendingClock.now - since > .milliseconds(500) { break }
            }
            return counts
        }

        /// Whether later counts are the same. Memory is not compared, because it includes memory of other processes, and memory
        /// that this process keeps for later.
        func isKept(in later: Counts) -> Bool { held == later.held && descriptors == later.descriptors }
    }

    /// The numbers of places at which functions come and go.
    public struct Places: Codable, Sendable {
        /// Slots of ports.
        public let slots: Int
        /// Places that are not in a slot.
        public let others: Int
    }

    /// The guest's own counts of functions in slots.
    public struct GuestUses: Codable, Sendable {
        /// Functions that the guest put to use.
        public internal(set) var added = 0
        /// Functions that the guest gave back when it was asked for them.
        public internal(set) var returned = 0
        /// Functions in use that were gone without a request.
        public internal(set) var lost = 0
        /// Functions that were gone before they were in use.
        public internal(set) var abandoned = 0
    }

    public private(set) var schema = 1
    /// The name of the layout.
    public let layout: String
    /// The number of times that a function was added.
    public let cycles: Int
    /// The places at which functions came and went.
    public let places: Places
    /// The latencies of additions.
    public let addMicroseconds: LatencySummary?
    /// The latencies of removals without a request to the guest.
    public let removeMicroseconds: LatencySummary?
    /// The latencies of removals by request, from the request until the function was gone.
    public let returnMicroseconds: LatencySummary?
    /// What the guest did with functions in slots.
    public let guestUses: GuestUses
    /// The number of the guest's checks of places that did not change meanwhile.
    public let guestChecks: UInt64
    /// The number of errors that the guest found.
    public let guestErrors: UInt64
    /// The counts before the cycles.
    public let before: Counts
    /// The counts after the cycles, when all functions were put back.
    public let after: Counts
    /// The seed of the random choices.
    public let seed: UInt64
    public let interrupted: Bool
    public let problem: String?
    public let ok: Bool
}
