public import Machine
internal import Memslots

/// Creates, moves, changes and deletes slots while vCPUs run a guest that reads all of them and must never see wrong bytes.
///
/// Half of the changes park the vCPUs and half do not, so that both costs are measured side by side.
public enum ChurnRun {
    /// Changes `slots` slots at random, until the time is over or so many operations are done.
    public static func run(
        _ observer: inout Observer, slots: Int, vcpus: Int, seed: UInt64, operations: Int? = nil,
        limit: Duration? = nil, mayExhaustHost: Bool = false
    ) throws(MachineError) -> ChurnResult {
        try check(slots: slots, vcpus: vcpus)
        var (image, configuration) = WatchedPlaces.configuration(vcpus: vcpus)
        configuration.spareMemory = UInt64(slots) * Page.size
        configuration.mayExhaustHost = mayExhaustHost
        var world = try ChurnedMemory(slots: slots, GuestMachine(configuration, flat: image), vcpus: vcpus, seed: seed)
        // By the kind of the change, and whether the vCPUs were parked.
        var latencies: [ChurnResult.Kind: [Bool: Latencies]] = [:]
        var done = 0
        observer.begin("churning \(slots) slots", total: operations, limit: limit)
        let watched = world.watched
        let run = try watched.run { running throws(MachineError) in
            while done < operations ?? .max, observer.goesOn(done), !running.hasEnded {
                let (kind, isParked, time) = try world.change()
                latencies[kind, default: [:]][isParked, default: []].append(time)
                done += 1
            }
        }
        let kinds = ChurnResult.Kind.allCases.map { kind in
            let times = latencies[kind] ?? [:]
            return (
                kind, ChurnResult.Costs(parked: times[true]?.countedSummary, unparked: times[false]?.countedSummary)
            )
        }
        let all = { isParked in latencies.values.flatMap { $0[isParked] ?? [] }.countedSummary }
        return ChurnResult(
            operations: done, guestChecks: run.findings.checks, guestErrors: run.findings.errors,
            firstError: run.findings.firstError, parked: all(true), unparked: all(false),
            kinds: Dictionary(uniqueKeysWithValues: kinds), seed: seed, interrupted: observer.hasInterrupted,
            ok: run.isOK && run.findings.checks > 0, ending: run.report.ending())
    }

    /// Checks the numbers before anything is computed with them.
    private static func check(slots: Int, vcpus: Int) throws(MachineError) {
        guard (2...1 << 15).contains(slots) else {
            throw .experiment("\(slots) slots: it takes at least 2, and at most what KVM has beside the guest's RAM")
        }
        guard (1...255).contains(vcpus) else {
            throw .experiment("\(vcpus) vCPUs: the guest starts 1 to 255, which APIC numbers of 8 bits tell apart")
        }
    }
}

/// The result of a `ChurnRun`.
public struct ChurnResult: ExperimentResult {
    /// A kind of change. Each change is one transaction.
    public enum Kind: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
        case create, delete, move
        /// A delete, and a create in the same place with other memory.
        case replace
        /// The start or the end of dirty logging.
        case flags
        /// A change from writable to read-only or back: a delete and a create.
        case access
    }

    /// The latencies of changes with the vCPUs parked, and of those with the vCPUs in the guest.
    public struct Costs: Codable, Sendable {
        public let parked: LatencySummary?
        public let unparked: LatencySummary?
    }

    public private(set) var schema = 1
    public let operations: Int
    public let guestChecks: UInt64
    public let guestErrors: UInt64
    /// The first error of a processor, in words.
    public let firstError: String?
    public let parked: LatencySummary?
    public let unparked: LatencySummary?
    public let kinds: [Kind: Costs]
    public let seed: UInt64
    public let interrupted: Bool
    /// Whether the guest ran to its end and saw nothing wrong.
    public let ok: Bool
    /// How the guest ended, and the state of its vCPUs where it did not end by itself.
    public let ending: String

    public var problem: String? {
        ok ? nil : "the guest \(firstError.map { "saw what was not there: \($0)" } ?? "did not end well: \(ending)")"
    }
}
