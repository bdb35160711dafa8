import FoundationEssentials
import Host
import Machine

/// The report of a run, as `--report` writes it.
struct RunReportJSON: Encodable {
    struct Slots: Encodable {
        let count: Int
        let capacity: Int
        let limit: Int
    }

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
        wallSeconds = Double(report.duration.nanoseconds) / 1e9
        let figures = try KernelFigures.ofProcess()
        let resident = figures.bytes("RssShmem") ?? 0
        peakRSSBytes = (figures.bytes("VmHWM") ?? 0) - min(figures.bytes("VmHWM") ?? 0, resident)
    }

    func encoded() throws -> [UInt8] {
        try encodeJSON(self)
    }
}

/// One JSON object on a line.
func encodeJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
}
