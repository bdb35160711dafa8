import ArgumentParser
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
            The first divergence is shrunk to the fewest operations that still show it, and saved to be replayed. Without \
            --operations and --seconds it ends after 1000000 operations.

            What newer kernels have, KVM_SET_USER_MEMORY_REGION2 and guest_memfd, the dirty ring, and the zap of one slot alone, is \
            used where this host's KVM offers it. --record writes all operations and KVM's answers into a file, up to 64 MiB; \
            --replay of that file on another kernel tells where its answers differ, with status 1.

            Examples:
              swiftlet stress fuzz --operations 1000000 --seed 7
              swiftlet stress fuzz --replay swiftlet-fuzz-7.json
              swiftlet stress fuzz --operations 100000 --record answers.jsonl
            """)

    @OptionGroup var limits: LimitOptions
    @OptionGroup var random: SeedOption

    @Option(help: ArgumentHelp("Write the operations and KVM's answers into this file.", valueName: "file"))
    var record: String?

    @Option(help: ArgumentHelp("Do what this file says, instead of anything random.", valueName: "file"))
    var replay: String?

    @Option(help: ArgumentHelp("Where to save a divergence. (default: swiftlet-fuzz-SEED.json)", valueName: "file"))
    var save: String?

    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    /// The largest file that is read. A trace has a few hundred bytes, or some hundred thousand if it was not shrunk. The limit
    /// is a record's.
    private static let largestFile = RecordWriter.largestFile + 4096

    func validate() throws {
        let others: [Any?] = [limits.operations, limits.seconds, random.seed, save, record]
        if replay != nil, others.contains(where: { $0 != nil }) {
            throw ValidationError("--replay does what the file says: leave out the other options.")
        }
    }

    func run() throws {
        var result: FuzzResult
        let environment: HostEnvironment
        if let replay {
            let file = try InputFile(replay, kind: "trace", limit: Self.largestFile)
            if let lines = try file.recordLines() { return try compare(lines) }
            environment = HostEnvironment(of: "stress fuzz")
            let trace = try file.decoded(as: FuzzTrace.self)
            result = try watched(jail) { try FuzzRun.replay(&$0, trace) }
        } else {
            let seed = random.value
            environment = HostEnvironment(of: "stress fuzz", seed: seed)
            let path = save ?? "swiftlet-fuzz-\(seed).json"
            // The files are opened before the jail is entered, because no file can be created in it.
            var files = OutputFiles()
            let file = save == nil ? try? files.open(path, for: "--save") : try files.open(path, for: "--save")
            let operations = limits.operations ?? (limits.seconds == nil ? 1_000_000 : nil)
            let writer = try files.open(record, for: "--record").map(RecordWriter.init)
            try writer?.write(.header(seed: seed, kernel: environment.kernel))
            result = try watched(jail) {
                try FuzzRun.run(&$0, seed: seed, operations: operations, limit: limits.seconds) {
                    line throws(MachineError) in
                    try writer?.write(line)
                }
            }
            try writer?.finish()
            result.trace = Self.save(result.smallestTrace, file, path)
        }
        try output.show(result, in: environment, Self.table(result).text)
        try result.end(hint: result.trace.map { "; `swiftlet stress fuzz --replay \($0)` does it again" } ?? "")
    }

    /// Repeats the operations of a record, and tells which answers differ.
    private func compare(_ lines: [FuzzRecordLine]) throws {
        let result = try watched(jail) { try FuzzComparison.run(&$0, lines) }
        let facts: [(String, String?)] =
            [
                ("recorded on", result.kernel), ("here", HostEnvironment(of: "stress fuzz").kernel),
                ("operations", "\(result.operations)"),
                (
                    "machines left out",
                    result.skippedMachines == 0
                        ? nil : "\(result.skippedMachines), because this KVM lacks a feature that they use"
                ),
            ] + result.differenceList.map { ("differs", $0) } + [("differences", "\(result.differences)")]
        try output.show(result, TextTable("replay", facts: facts).text)
        try result.end()
    }

    /// Saves the trace of a divergence. If it cannot be written, the result still has all operations.
    ///
    /// - Returns: The path of the file. Nil if nothing was saved.
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
        facts += GuestMemoryRule.allCases.map { rule in
            ("refused by \(rule.rawValue)", result.guestMemoryRefusals[rule].map { "\($0)" })
        }
        facts += FuzzFeature.allCases.map { feature in
            let count = result.features[feature, default: 0]
            return (feature.words, count > 0 ? "\(count) operations on machines with it" : "none")
        }
        if let operations = result.operationList {
            facts.append(("divergence", "after these \(operations.count) operations"))
            facts += operations.map { ("", "\($0)") } + [("", result.divergence)]
        }
        facts += [("seed", "\(result.seed)"), ("divergences", "\(result.divergences)")]
        return TextTable("fuzz", facts: facts)
    }
}
