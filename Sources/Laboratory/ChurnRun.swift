public import Machine
internal import Memslots

/// An experiment that creates, moves, changes and deletes slots while vCPUs run a guest that reads all of them. The guest must
/// never see wrong bytes.
///
/// About half of the changes park the vCPUs, chosen at random, so that the costs of both ways are measured side by side.
public enum ChurnRun {
    /// Changes `slots` slots at random. Ends after `operations` changes, when the time `limit` is over, when the observer ends
    /// the experiment, or when the guest ends.
    public static func run(
        _ observer: inout Observer, slots: Int, vcpus: Int, seed: UInt64, operations: Int? = nil,
        limit: Duration? = nil, mayExhaustHost: Bool = false
    ) throws(MachineError) -> ChurnResult {
        // The number is checked before anything is computed with it.
        guard (2...1 << 15).contains(slots) else {
            throw .experiment("\(slots) slots: it takes at least 2, and at most what KVM has beside the guest's RAM")
        }
        var (image, configuration) = try WatchedPlaces.configuration(vcpus: vcpus, mayExhaustHost: mayExhaustHost)
        configuration.spareMemory = UInt64(slots) * Page.size
        var world = try ChurnedMemory(slots: slots, GuestMachine(configuration, flat: image), vcpus: vcpus, seed: seed)
        // The latencies by the kind of the change, then by whether the vCPUs were parked.
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
}

/// The result of a `ChurnRun`.
public struct ChurnResult: ExperimentResult {
    /// A kind of change. Each change is one transaction.
    public enum Kind: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
        /// A slot is created, deleted, or moved to another guest address.
        case create, delete, move
        /// A delete and a create in the same place, with other memory behind it.
        case replace
        /// The start or the end of dirty logging for a slot.
        case flags
        /// A change from writable to read-only or back: a delete and a create.
        case access
    }

    /// The latencies of changes with the vCPUs parked, and of those with the vCPUs in the guest.
    public struct Costs: Codable, Sendable {
        /// The changes with the vCPUs parked. Nil if there were none.
        public let parked: LatencySummary?
        /// The changes with the vCPUs in the guest. Nil if there were none.
        public let unparked: LatencySummary?
    }

    public private(set) var schema = 1
    /// The number of changes.
    public let operations: Int
    /// The number of the guest's checks of places that did not change meanwhile.
    public let guestChecks: UInt64
    /// The number of errors that the guest found.
    public let guestErrors: UInt64
    /// The first error that a vCPU found, in words. Nil if there was none.
    public let firstError: String?
    /// The latencies of all changes with the vCPUs parked.
    public let parked: LatencySummary?
    /// The latencies of all changes with the vCPUs in the guest.
    public let unparked: LatencySummary?
    /// The latencies of each kind of change.
    public let kinds: [Kind: Costs]
    /// The seed of the random changes.
    public let seed: UInt64
    public let interrupted: Bool
    /// Whether the guest ran to its end, made checks, and saw nothing wrong.
    public let ok: Bool
    /// How the guest ended, with the state of its vCPUs if it did not end by itself.
    public let ending: String

    public var problem: String? {
        ok ? nil : "the guest \(firstError.map { "saw what was not there: \($0)" } ?? "did not end well: \(ending)")"
    }
}
