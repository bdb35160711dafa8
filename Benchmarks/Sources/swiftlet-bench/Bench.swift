/// What a benchmark needs: how long it may take, and where its results go.
struct Bench {
    let name: String
    let options: Options
    var results: Results

    struct Options {
        /// Rounds are multiplied by this.
        var effort: Double
        /// Exits on each side, in all.
        var exits: Int
        /// The `swiftlet`, `floor-monitor` and `floor-peak` executables.
        var swiftlet: String
        var floorMonitor: String
        var floorPeak: String
        /// The `qemu-system-x86_64` executable, where there is one.
        var qemu: String?
        /// The directory for what `scaling` writes.
        var output: String
    }

    /// The number of rounds, at least three.
    func rounds(_ usual: Int) -> Int {
        max(3, Int(Double(usual) * options.effort))
    }

    /// Does a task in two ways in turns, and who comes first in turns too; a round to warm up is not counted.
    ///
    /// Each closure does all phases of the task once and returns what each took.
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

    /// A part of a task that is timed by itself.
    struct Phase {
        var name: String
        /// How many times the operation is done in it.
        var operations: Int
        var target: Double?
    }
}
