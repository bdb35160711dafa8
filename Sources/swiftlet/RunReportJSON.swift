import Host
import Laboratory
import Machine
import Memslots

/// The report of a run as `--report` writes it. guests/README.md lists its keys.
struct RunReportJSON: Codable, Equatable {
    /// The slots at the end of the run.
    struct Slots: Codable, Equatable {
        let count: Int
        let capacity: Int
        let limit: Int
    }

    /// A change of what a function decodes that was not possible.
    struct RefusedChange: Codable, Equatable {
        let function: String
        /// The register of configuration space that keeps its value, or nil if the write was to a trapped place.
        let register: String?
        let value: String
        let rule: String
        let reason: String

        init(_ refusal: Refusal) {
            function = "\(refusal.function)"
            register = refusal.register.map(hexadecimal)
            value = hexadecimal(refusal.value)
            rule = refusal.rule
            reason = refusal.reason
        }
    }

    private(set) var schema = 1
    let guest: String
    let outcome: String
    let exitCode: Int32
    let exits: ExitCounts
    let unclaimedAccesses: UInt64
    /// The number of changes of what functions decode that were not possible. The list has the first of them.
    let refusedChanges: Int
    let refusedChangeList: [RefusedChange]
    /// The vCPUs that a device did not let go at the end of the run.
    let leftBehind: [UInt32]
    let slots: Slots
    let microsecondsToFirstRun: Int64
    let wallSeconds: Double
    /// The most memory that the monitor itself had resident: VmHWM less the guest memory that is resident.
    let peakRSSBytes: UInt64

    init(guest: String, _ report: RunReport, processStart: SuspendingClock.Instant) throws {
        self.guest = guest
        outcome = report.outcome.name
        exitCode = report.outcome.exitCode
        exits = report.exits
        unclaimedAccesses = report.unclaimedAccesses
        refusedChanges = report.refusals.count
        refusedChangeList = report.refusals.list.map(RefusedChange.init)
        leftBehind = report.leftBehind
        slots = Slots(count: report.slotCount, capacity: report.slotCapacity, limit: report.slotLimit)
        microsecondsToFirstRun = (report.firstRun - processStart).nanoseconds / 1000
        wallSeconds = report.duration.inSeconds
        let figures = try KernelFigures.ofProcess()
        let resident = figures.bytes("RssShmem") ?? 0
        let peak = figures.bytes("VmHWM") ?? 0
        peakRSSBytes = peak - min(peak, resident)
    }
}
