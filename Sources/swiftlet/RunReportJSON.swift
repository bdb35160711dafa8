import Host
import Laboratory
import Machine
import Memslots

/// The report of a run as `--report` writes it. guests/README.md lists its keys.
struct RunReportJSON: Codable, Equatable {
    private(set) var schema = 1
    let guest: String
    let outcome: String
    let exitCode: Int32
    let exits: ExitCounts
    let unclaimedAccesses: UInt64
    /// Changes of what functions decode that could not be, and the first of them: each with its function, the register that keeps
    /// its value, if it is one, what was written, the rule and the reason.
    let refusedChanges: Int
    let refusedChangeList: [[String: String]]
    /// vCPUs whose device did not let them go at the end.
    let leftBehind: [UInt32]
    /// Their count, their capacity and their limit.
    let slots: [String: Int]
    let microsecondsToFirstRun: Int64
    let wallSeconds: Double
    /// The most memory that the monitor itself had resident: VmHWM less the guest memory that is resident.
    let peakRSSBytes: UInt64

    /// The RAM: `kind` is `file` or `anonymous`, and the rest is what the host has given for it.
    let ram: RAM

    struct RAM: Codable, Equatable {
        let kind: String
        let residentBytes: UInt64
        let hugePageBytes: UInt64
    }

    init(guest: String, _ report: RunReport, ram: (isFile: Bool, use: MemoryUse)) throws {
        self.guest = guest
        outcome = report.outcome.name
        exitCode = report.outcome.exitCode
        exits = report.exits
        unclaimedAccesses = report.unclaimedAccesses
        refusedChanges = report.refusals.count
        refusedChangeList = report.refusals.list.map { refusal in
            [
                "function": "\(refusal.function)", "register": refusal.register.map(hexadecimal),
                "value": hexadecimal(refusal.value), "rule": refusal.rule, "reason": refusal.reason,
            ].compactMapValues { $0 }
        }
        leftBehind = report.leftBehind
        slots = ["count": report.slotCount, "capacity": report.slotCapacity, "limit": report.slotLimit]
        microsecondsToFirstRun = (report.firstRun - SwiftletCommand.processStart).nanoseconds / 1000
        wallSeconds = report.duration.inSeconds
        let figures = try KernelFigures.ofProcess()
        self.ram = RAM(
            kind: ram.isFile ? "file" : "anonymous", residentBytes: ram.use.resident, hugePageBytes: ram.use.inHugePages
        )
        let resident = (figures.bytes("RssShmem") ?? 0) + (ram.isFile ? 0 : ram.use.resident)
        let peak = figures.bytes("VmHWM") ?? 0
        peakRSSBytes = peak - min(peak, resident)
    }
}
