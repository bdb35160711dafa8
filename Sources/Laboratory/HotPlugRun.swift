internal import Host
public import Layouts
public import Machine
internal import Memslots

/// Lets functions of a layout come and go at random while vCPUs run the guest `hotplug`, which uses the others.
///
/// Functions in slots of ports are put to use by the guest, and are asked for, or go without a word. All others are removed and added.
public enum HotPlugRun {
    /// Lets functions come and go `cycles` times, and then puts everything back.
    public static func run(
        _ observer: inout Observer, layout: Layout, cycles: Int, vcpus: Int, seed: UInt64, mayExhaustHost: Bool = false
    ) throws(MachineError) -> HotPlugResult {
        guard cycles > 0, (1...255).contains(vcpus) else {
            throw .experiment("\(cycles) cycles with \(vcpus) vCPUs: it takes at least one, and at most 255 vCPUs")
        }
        guard let guest = BuiltInGuest.named("hotplug") else { preconditionFailure("`hotplug` is built in") }
        var configuration = guest.configuration
        configuration.vcpus = vcpus
        configuration.mayExhaustHost = mayExhaustHost
        configuration.add(layout)
        let machine = try GuestMachine(configuration, flat: guest.image)
        var world = try PluggedFunctions(layout, machine, vcpus: vcpus, seed: seed)
        observer.begin("cycling functions", total: cycles)
        var (before, after): (HotPlugResult.Counts?, HotPlugResult.Counts?)
        let watched = world.watched
        let run = try watched.run { running throws(MachineError) in
            world.running = running
            // Memory that the process keeps for later is not lost.
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
    /// What there is of everything that functions take.
    public struct Counts: Codable, Sendable {
        public let held: HeldResources
        public let descriptors: Int
        /// VmallocUsed, to which the rest of the host contributes, and the memory of this process (VmRSS), in bytes.
        public let vmallocBytes: UInt64
        public let residentBytes: UInt64

        init(_ machine: GuestMachine) throws(MachineError) {
            held = machine.held
            descriptors = HostDirectory.names(in: "/proc/self/fd")?.count ?? 0
            vmallocBytes = try KernelBytes.used()
            residentBytes = try host(try KernelFigures.ofProcess()).bytes("VmRSS") ?? 0
        }

        /// Takes the counts when they stay as they are, or are like earlier ones. A vCPU that has let a function go gives back what the function had
        /// some time after it is gone.
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

        /// Whether later counts are the same. Memory is not: what others of the host have is in it, and what the process keeps for later.
        func isKept(in later: Counts) -> Bool { held == later.held && descriptors == later.descriptors }
    }

    /// How many places functions come to and go from: slots of ports, and others.
    public struct Places: Codable, Sendable {
        public let slots: Int
        public let others: Int
    }

    /// What the guest has done with functions in slots.
    public struct GuestUses: Codable, Sendable {
        public internal(set) var added = 0
        public internal(set) var returned = 0
        public internal(set) var lost = 0
        /// Functions that went before they were in use.
        public internal(set) var abandoned = 0
    }

    public private(set) var schema = 1
    public let layout: String
    /// How often a function was added.
    public let cycles: Int
    public let places: Places
    /// The latencies of additions, of removals, and of removals that the guest was asked for, until the function was gone.
    public let addMicroseconds: LatencySummary?
    public let removeMicroseconds: LatencySummary?
    public let returnMicroseconds: LatencySummary?
    public let guestUses: GuestUses
    public let guestChecks: UInt64
    public let guestErrors: UInt64
    public let before: Counts
    public let after: Counts
    public let seed: UInt64
    public let interrupted: Bool
    public let problem: String?
    public let ok: Bool
}
