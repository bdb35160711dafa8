import ArgumentParser
import Laboratory
import Machine
import Memslots
import Pictures

struct StressHotPlugCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hotplug",
        abstract: "Let functions of a layout come and go at random while vCPUs use the others.",
        discussion: """
            The guest `hotplug` drives the slots of ports (`hotPlug` of a bridge): it uses each function that is added, \
            gives it back when it is asked to, and notices functions that vanish. Functions in no slot, all but the first, are removed and \
            added beside vCPUs that look at them. In the end everything that functions take must be as it was before.

            Example: swiftlet stress hotplug slots-4 --cycles 10000 --vcpus 2
            """)

    @Argument(help: ArgumentHelp("A preset or a layout file.", valueName: "layout"))
    var layout = "slots-4"

    @Option(help: ArgumentHelp("How often a function comes.", valueName: "n"))
    var cycles = 1000

    @OptionGroup var random: SeedOption

    @Option(help: ArgumentHelp("vCPUs.", valueName: "n"))
    var vcpus = 2

    @OptionGroup var start: ForceOption
    @OptionGroup var jail: JailOption
    @OptionGroup var output: OutputOptions

    func run() throws {
        let layout = try LayoutArgument(name: layout).load().layout
        let seed = random.value
        let environment = HostEnvironment(of: "stress hotplug", seed: seed)
        let result = try watched(jail) {
            try HotPlugRun.run(
                &$0, layout: layout, cycles: cycles, vcpus: vcpus, seed: seed, mayExhaustHost: start.force)
        }
        try output.show(result, in: environment, Self.text(result))
        try result.end(hint: " (seed \(result.seed))")
    }

    private static func text(_ result: HotPlugResult) -> String {
        typealias Latency = (name: String, times: LatencySummary?)
        let latencies: [Latency] = [
            ("add", result.addMicroseconds), ("remove", result.removeMicroseconds),
            ("asked until gone", result.returnMicroseconds),
        ]
        typealias Count = (name: String, of: (HotPlugResult.Counts) -> String)
        let counts: [Count] = [
            ("slots", { "\($0.held.slots)" }), ("highest slot id", { "\($0.held.highestSlot)" }),
            ("mappings", { "\($0.held.mappings)" }), ("backings", { "\($0.held.backings)" }),
            ("routes", { "\($0.held.routes)" }), ("irqfds", { "\($0.held.interruptEvents)" }),
            ("ioeventfds", { "\($0.held.writeEvents)" }), ("descriptors", { "\($0.descriptors)" }),
            ("VmallocUsed", { Figures.size($0.vmallocBytes) }), ("resident", { Figures.size($0.residentBytes) }),
        ]
        let (places, uses) = (result.places, result.guestUses)
        return [
            TextTable(
                latencies,
                [.left("change", \.name), .right("count") { $0.times?.latencies?.count ?? 0 }]
                    + TextTable.latencies(\.times)),
            TextTable(
                counts,
                [
                    .left("held", \.name), .right("before") { $0.of(result.before) },
                    .right("after") { $0.of(result.after) },
                ]),
            TextTable(
                "hotplug",
                facts: [
                    "cycles": "\(result.cycles)",
                    "places": "\(Figures.count(places.slots, "slot")), \(places.others) beside",
                    "guest": "\(result.guestChecks) checks, \(result.guestErrors) errors",
                    "in slots": "\(uses.added) used, \(uses.returned) returned, \(uses.lost) lost, "
                        + "\(uses.abandoned) gone before they were used",
                    "seed": "\(result.seed)",
                    "ok": result.ok ? "yes" : "no",
                ]),
        ].map(\.text).joined(separator: "\n\n")
    }
}
