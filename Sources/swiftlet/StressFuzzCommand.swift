import ArgumentParser
import FoundationEssentials
import Host
import Laboratory
import Machine
import Memslots
import Pictures

struct StressFuzzCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz",
        abstract: "Ask KVM for random changes of slots, right and wrong, and hold its answers against the rules.",
        discussion: """
            Each answer of KVM_SET_USER_MEMORY_REGION is predicted, the errno too; now and then a guest reads what a slot shows. \
            The first divergence is shrunk to the fewest operations that still show it, and saved to be replayed.

            Examples:
              swiftlet stress fuzz --operations 1000000 --seed 7
              swiftlet stress fuzz --replay swiftlet-fuzz-7.json
            """)

    @Option(help: ArgumentHelp("End after so many operations. (default: 1000000 without --seconds)", valueName: "n"))
    var operations: Int?

    @Option(help: ArgumentHelp("End after this time.", valueName: "t"))
    var seconds: TimeSpan?

    @Option(help: ArgumentHelp("Where the random operations begin. (default: another one each time)", valueName: "s"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Do what this file says, instead of anything random.", valueName: "file"))
    var replay: String?

    @Option(
        help: ArgumentHelp("Where to save a divergence. (default: swiftlet-fuzz-SEED.json)", valueName: "file"))
    var save: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if let operations, operations < 1 { throw ValidationError("--operations counts from 1.") }
        if replay != nil, operations != nil || seconds != nil || seed != nil || save != nil {
            throw ValidationError("--replay does what the file says: leave out the other options.")
        }
    }

    func run() throws {
        let run: FuzzRun
        if let replay {
            let trace = try Self.trace(from: replay)
            do throws(MachineError) { run = try FuzzRun(replaying: trace) } catch { throw failure(error) }
        } else {
            let seed = seed ?? makeSeed()
            let operations = operations ?? (seconds == nil ? 1_000_000 : nil)
            run = try StressTest.run { observer throws(MachineError) in
                try FuzzRun(seed: seed, operations: operations, limit: seconds?.duration, observer: &observer)
            }
        }
        let saved = replay == nil ? save(run.trace) : nil
        if json {
            try emit(try encodeJSON(Report(run, saved: saved)))
        } else {
            try printOut(Self.table(run))
        }
        try StressTest.end(
            isOK: run.isOK, isInterrupted: run.isInterrupted,
            "KVM and the rules diverge: \(run.trace?.divergence ?? "")"
                + (saved.map { "; `swiftlet stress fuzz --replay \($0)` does it again" } ?? ""))
    }

    /// Saves the trace of a divergence; the name of the file. Where it cannot be written, the report still has it all.
    private func save(_ trace: FuzzTrace?) -> String? {
        guard let trace else { return nil }
        let path = save ?? "swiftlet-fuzz-\(trace.seed).json"
        do {
            try emit(try encodeJSON(trace), to: try FileBytes.create(path))
            return path
        } catch {
            _ = failure("cannot save the divergence: \(error)", status: ExitStatus.hostError)
            return nil
        }
    }

    /// A trace is a few hundred bytes long; one that nobody has shrunk, some hundred thousand.
    private static let largestFile = 16 << 20

    private static func trace(from path: String) throws -> FuzzTrace {
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: largestFile) } catch {
            throw failure("cannot read the trace: \(error)", status: ExitStatus.badInput)
        }
        do {
            return try JSONDecoder().decode(FuzzTrace.self, from: Data(bytes))
        } catch {
            throw failure("\(path): \(describeDecoding(error))", status: ExitStatus.badInput)
        }
    }

    private struct Report: Encodable {
        let operations: Int
        let accepted: Int
        let refusals: [String: Int]
        let reads: Int
        let divergences: Int
        let divergence: String?
        let trace: String?
        let seed: UInt64
        let seconds: Double
        let interrupted: Bool
        let ok: Bool

        init(_ run: FuzzRun, saved: String?) {
            operations = run.operations
            accepted = run.accepted
            refusals = Dictionary(uniqueKeysWithValues: run.refusals.map { ($0.key.rawValue, $0.value) })
            reads = run.looks
            divergences = run.trace == nil ? 0 : 1
            divergence = run.trace?.divergence
            trace = saved
            seed = run.seed
            seconds = run.duration.inSeconds
            interrupted = run.isInterrupted
            ok = run.isOK
        }
    }

    private static func table(_ run: FuzzRun) -> String {
        let rate = run.duration > .zero ? Int((Double(run.operations) / run.duration.inSeconds).rounded()) : 0
        var rows = [
            ["operations", "\(run.operations) in \(Figures.seconds(run.duration.inSeconds)), \(rate)/s"],
            ["accepted", "\(run.accepted)"],
            ["reads by the guest", "\(run.looks)"],
        ]
        for rule in SlotRule.allCases {
            if let count = run.refusals[rule] { rows.append(["refused by \(rule.rawValue)", "\(count)"]) }
        }
        if let trace = run.trace {
            rows.append(["divergence", "after these \(trace.operations.count) operations"])
            rows += trace.operations.map { ["", "\($0)"] }
            rows.append(["", trace.divergence])
        }
        rows += [["seed", "\(run.seed)"], ["divergences", run.isOK ? "0" : "1"]]
        return TextTable(columns: [.left("fuzz"), .left("")], rows: rows).text
    }
}
