internal import Host
public import Machine
internal import Memslots
internal import SeededRandom

/// Slots come, move, change and go while vCPUs run a guest that looks at all of them: it must never see wrong bytes.
///
/// Half of the changes park the vCPUs, half do not, so that both costs are measured side by side.
public struct ChurnRun: Sendable {
    /// A kind of change; each is a transaction.
    public enum Kind: String, CaseIterable, Sendable {
        case create, delete, move
        /// Delete, and create with other memory in the same place.
        case replace
        /// Dirty logging on or off.
        case flags
        /// Writable or read-only: delete and create.
        case access
    }

    public let seed: UInt64
    public private(set) var operations = 0
    public private(set) var parked: [Kind: Latencies] = [:]
    public private(set) var unparked: [Kind: Latencies] = [:]
    public private(set) var guest = GuestFindings()
    public private(set) var outcome = Outcome.timeout
    /// The state of the vCPUs, where the guest did not end by itself.
    public private(set) var vcpus: [VCPUState] = []
    public private(set) var isInterrupted = false

    /// Changes `slots` slots at random until the time is over or so many operations are done.
    public init(
        slots: Int, vcpus: Int, seed: UInt64, operations: Int? = nil, limit: Duration?, mayExhaustHost: Bool = false,
        observer: inout Observer
    ) throws(MachineError) {
        self.seed = seed
        try Self.check(slots: slots, vcpus: vcpus)
        var (image, configuration) = WatchedPlaces.configuration(vcpus: vcpus)
        configuration.spareMemory = UInt64(slots) * Page.size
        configuration.mayExhaustHost = mayExhaustHost
        var world = try ChurnedMemory(slots: slots, GuestMachine(configuration, flat: image), vcpus: vcpus, seed: seed)
        let running = try RunningMachine(world.machine)
        observer.begin("churning \(slots) slots", total: operations, limit: limit)
        do throws(MachineError) {
            while self.operations < operations ?? .max, observer.goesOn(self.operations), !running.hasEnded {
                let (kind, isParked, time) = try world.change()
                if isParked {
                    parked[kind, default: Latencies()].append(time)
                } else {
                    unparked[kind, default: Latencies()].append(time)
                }
                self.operations += 1
            }
        } catch {
            world.end()
            _ = try? running.report(within: .seconds(10))
            throw error
        }
        world.awaitAnotherRound(of: running)
        world.end()
        let report = try running.report(within: .seconds(10))
        guest = world.findings
        outcome = report.outcome
        self.vcpus = report.vcpus
        isInterrupted = observer.hasInterrupted
    }

    /// Before anything is computed with them.
    private static func check(slots: Int, vcpus: Int) throws(MachineError) {
        guard (2...1 << 15).contains(slots) else {
            throw .configuration("\(slots) slots: it takes at least 2, and at most what KVM has beside the guest's RAM")
        }
        guard (1...255).contains(vcpus) else {
            throw .configuration("\(vcpus) vCPUs: the guest starts 1 to 255, which APIC numbers of 8 bits tell apart")
        }
    }

    /// Whether the guest ran to its end and saw nothing wrong.
    public var isOK: Bool {
        outcome == .exited(0) && guest.errors == 0 && guest.checks > 0
    }
}

extension [ChurnRun.Kind: Latencies] {
    /// Of all kinds together.
    public var all: Latencies {
        values.reduce(into: Latencies()) { $0.append(contentsOf: $1) }
    }
}
