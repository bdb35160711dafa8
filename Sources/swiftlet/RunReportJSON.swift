import Host
import Laboratory
import Machine

/// The report of a run, as `--report` writes it.
struct RunReportJSON: Codable, Equatable {
    struct Slots: Codable, Equatable {
        let count: Int
        let capacity: Int
        let limit: Int
    }

    private(set) var schema = 1
    let guest: String
    let outcome: String
    let exitCode: Int32
    let exits: ExitCounts
    let unclaimedAccesses: UInt64
    let slots: Slots
    let microsecondsToFirstRun: Int64
    let wallSeconds: Double
    /// What the monitor itself needed at most: VmHWM, less the guest memory that is resident.
    let peakRSSBytes: UInt64

    init(guest: String, _ report: RunReport, processStart: SuspendingClock.Instant) throws {
        self.guest = guest
        outcome = report.outcome.name
        exitCode = report.outcome.exitCode
        exits = report.exits
        unclaimedAccesses = report.unclaimedAccesses
        slots = Slots(count: report.slotCount, capacity: report.slotCapacity, limit: report.slotLimit)
        microsecondsToFirstRun = (report.firstRun - processStart).nanoseconds / 1000
        wallSeconds = report.duration.inSeconds
        let figures = try KernelFigures.ofProcess()
        let resident = figures.bytes("RssShmem") ?? 0
        let peak = figures.bytes("VmHWM") ?? 0
        peakRSSBytes = peak - min(peak, resident)
    }
}
