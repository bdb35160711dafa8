import ArgumentParser
import FoundationEssentials
import Laboratory

@main
struct SwiftletBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet-bench",
        abstract: "Measure Swiftlet against plain C.",
        discussion: """
            Each task is done in C and by Swiftlet in turns; only ratios count, for machines differ and others use them. \
            Times are medians; the ratio is that of a round, with its quartiles; `minima` is the ratio of the fastest rounds, `processor` that of \
            processor times, which other processes disturb less. \
            Without names all benchmarks are run.
            """)

    enum Name: String, CaseIterable, ExpressibleByArgument {
        case exits, vcpus, slots, edits, coalesced, fullBus, toggle, lookup, parked, start, peer, scaling, footprint,
            memory, device
    }

    @Argument(help: "What to measure.")
    var names: [Name] = []

    @Flag(help: "Print one JSON object, at the end.")
    var json = false

    @Option(help: "More or fewer rounds: 0.2 for a look, 3 for a quiet hour.")
    var effort = 1.0

    @Option(help: "Exits on each side in `exits`, and about so many in a row of `vcpus`.")
    var exits = 250_000

    @Option(
        help: ArgumentHelp(
            "Only run a guest of so many vCPUs, each of which reads a device of its own; for what counts system calls.",
            valueName: "vcpus"))
    var alone: Int?

    @Option(help: ArgumentHelp("The executable for `start`.", valueName: "path"))
    var swiftlet = ".build/release/swiftlet"

    @Option(help: ArgumentHelp("The least monitor in C, for `start`.", valueName: "path"))
    var floorMonitor = "Benchmarks/.build/release/floor-monitor"

    @Option(help: ArgumentHelp("What measures the memory of processes, for `peer`.", valueName: "path"))
    var floorPeak = "Benchmarks/.build/release/floor-peak"

    @Option(help: ArgumentHelp("QEMU, for `peer`; left out where there is none.", valueName: "path"))
    var qemu = "/usr/bin/qemu-system-x86_64"

    @Option(help: ArgumentHelp("The directory for the table and the plots of `scaling`.", valueName: "path"))
    var output = "Benchmarks/.build/scaling"

    func run() throws {
        if let alone { return try Bench.runAlone(vcpus: alone, reads: exits) }
        let options = Bench.Options(
            effort: effort, exits: exits, swiftlet: swiftlet, floorMonitor: floorMonitor, floorPeak: floorPeak,
            qemu: FileManager.default.isExecutableFile(atPath: qemu) ? qemu : nil, output: output)
        var results = Results(
            host: try Self.host(), date: Date.now.formatted(.iso8601), isShown: !json)
        for name in names.isEmpty ? Name.allCases : names {
            var bench = Bench(name: name.rawValue, options: options, results: results)
            try bench.run(name)
            results = bench.results
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            printOut(String(decoding: try encoder.encode(results), as: UTF8.self) + "\n")
        }
    }

    /// Returns a line about KVM and the host.
    private static func host() throws -> String {
        let release = String(decoding: try Data(contentsOf: URL(filePath: "/proc/sys/kernel/osrelease")), as: UTF8.self)
        let probe = try HostProbe.run()
        let modules = ["kvm_intel", "kvm_amd", "kvm_pvm"].filter {
            FileManager.default.fileExists(atPath: "/sys/module/\($0)")
        }
        let execution = probe.execution == .emulated ? "KVM's instruction emulator" : "hardware"
        return "\(modules.joined(separator: ", ")): guests run in \(execution); Linux \(release.dropLast()), "
            + "\(probe.cpus) CPUs"
    }
}

extension Bench {
    mutating func run(_ name: SwiftletBench.Name) throws {
        switch name {
        case .exits: try exits()
        case .vcpus: try vcpus()
        case .slots: try slots()
        case .edits: try edits()
        case .coalesced: try coalesced()
        case .fullBus: try fullBus()
        case .toggle: try toggle()
        case .lookup: try lookup()
        case .parked: try parked()
        case .start: try start()
        case .peer: try peer()
        case .scaling: try scaling()
        case .footprint: try footprint()
        case .memory: try memory()
        case .device: try device()
        }
    }
}
