import ArgumentParser
import Host
import Laboratory
import Memslots
import Pictures

struct StressFuzzCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz",
        abstract: "Ask KVM for random changes of slots, right and wrong, and hold its answers against the rules.",
        discussion: """
            Each answer of KVM_SET_USER_MEMORY_REGION is predicted, the errno too; now and then a guest reads what a slot shows. \
            The first divergence is shrunk to the fewest operations that still show it, and saved to be replayed. Without \
            --operations and --seconds it ends after 1000000 operations.

            Examples:
              swiftlet stress fuzz --operations 1000000 --seed 7
              swiftlet stress fuzz --replay swiftlet-fuzz-7.json
            """)

    @OptionGroup var limits: LimitOptions
    @OptionGroup var random: SeedOption

    @Option(help: ArgumentHelp("Do what this file says, instead of anything random.", valueName: "file"))
    var replay: String?

    @Option(help: ArgumentHelp("Where to save a divergence. (default: swiftlet-fuzz-SEED.json)", valueName: "file"))
    var save: String?

    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    /// A trace has a few hundred bytes, and some hundred thousand where nobody has shrunk it.
    private static let largestFile = 16 << 20

    func validate() throws {
        if replay != nil, limits.operations != nil || limits.seconds != nil || random.seed != nil || save != nil {
            throw ValidationError("--replay does what the file says: leave out the other options.")
        }
    }

    func run() throws {
        var result: FuzzResult
        let environment: HostEnvironment
        if let replay {
            let file = try InputFile(replay, kind: "trace", limit: Self.largestFile)
            environment = HostEnvironment(of: "stress fuzz")
            result = try FuzzRun.replay(file.decoded(as: FuzzTrace.self))
        } else {
            let seed = random.value
            environment = HostEnvironment(of: "stress fuzz", seed: seed)
            let path = save ?? "swiftlet-fuzz-\(seed).json"
            // Before the jail, in which no file is created.
            var files = OutputFiles()
            let file = save == nil ? try? files.open(path, for: "--save") : try files.open(path, for: "--save")
            let operations = limits.operations ?? (limits.seconds == nil ? 1_000_000 : nil)
            result = try watched(jail) {
                try FuzzRun.run(&$0, seed: seed, operations: operations, limit: limits.seconds)
            }
            result.trace = Self.save(result.smallestTrace, file, path)
        }
        try output.show(result, in: environment, Self.table(result).text)
        try result.end(hint: result.trace.map { "; `swiftlet stress fuzz --replay \($0)` does it again" } ?? "")
    }

    /// Saves the trace of a divergence. Where it cannot be written, the result still has all operations.
    ///
    /// - Returns: The name of the file; nil where there is none.
    private static func save(_ trace: FuzzTrace?, _ file: OutputFile?, _ path: String) -> String? {
        guard let trace else { return nil }
        do {
            guard let file else { throw failure("\(path) cannot be written", .hostError) }
            try file.write(try encodeJSON(trace))
            return path
        } catch {
            complain("the divergence is not saved; all its operations are printed")
            return nil
        }
    }

    private static func table(_ result: FuzzResult) -> TextTable {
        let rate = result.seconds > 0 ? Int((Double(result.operations) / result.seconds).rounded()) : 0
        var facts: [(String, String?)] = [
            ("operations", "\(result.operations) in \(Figures.seconds(result.seconds)), \(rate)/s"),
            ("accepted", "\(result.accepted)"), ("reads by the guest", "\(result.reads)"),
        ]
        facts += SlotRule.allCases.map { rule in ("refused by \(rule.rawValue)", result.refusals[rule].map { "\($0)" })
        }
        if let operations = result.operationList {
            facts.append(("divergence", "after these \(operations.count) operations"))
            facts += operations.map { ("", "\($0)") } + [("", result.divergence)]
        }
        facts += [("seed", "\(result.seed)"), ("divergences", "\(result.divergences)")]
        return TextTable("fuzz", facts: facts)
    }
}
