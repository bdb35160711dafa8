/// The run of one benchmark: its options, and its results.
struct Bench {
    let name: String
    let options: Options
    var results: Results

    struct Options {
        /// The factor for numbers of rounds.
        var effort: Double
        /// The number of exits on each side, in all.
        var exits: Int
        /// The paths of the executables `swiftlet`, `floor-monitor` and `floor-peak`.
        var swiftlet: String
        var floorMonitor: String
        var floorPeak: String
        /// The path of the executable `qemu-system-x86_64`. Nil if there is none.
        var qemu: String?
        /// The directory for the files that `scaling` and `vcpus` write.
        var output: String
    }

    /// Returns the number of rounds, at least three.
    func rounds(_ usual: Int) -> Int {
        max(3, Int(Double(usual) * options.effort))
    }

    /// Does a task in two ways in turns, of which each comes first in every other round. A round to warm up is not counted.
    ///
    /// Each closure does all phases of the task once, and returns the time of each.
    mutating func compare(
        _ phases: [Phase], with baselineName: String = "C", rounds: Int, warmsUp: Bool = true,
        baseline: () throws -> [Elapsed], swiftlet: () throws -> [Elapsed]
    ) rethrows {
        var baselineTimes: [[Elapsed]] = []
        var swiftletTimes: [[Elapsed]] = []
        for round in (warmsUp ? 0 : 1)...rounds {
            let baselineFirst = round % 2 == 0
            let early = try baselineFirst ? baseline() : swiftlet()
            let late = try baselineFirst ? swiftlet() : baseline()
            if round > 0 {
                baselineTimes.append(baselineFirst ? early : late)
                swiftletTimes.append(baselineFirst ? late : early)
            }
        }
        for (number, phase) in phases.enumerated() {
            results.add(
                Comparison(
                    benchmark: name, task: phase.name, baseline: baselineName, operations: phase.operations,
                    target: phase.target, baselineTimes: baselineTimes.map { $0[number] },
                    swiftletTimes: swiftletTimes.map { $0[number] }))
        }
    }

    /// A part of a task whose time is measured by itself.
    struct Phase {
        var name: String
        /// The number of times that the phase does the operation.
        var operations: Int
        var target: Double?
    }
}
