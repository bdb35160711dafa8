import Machine
import Memslots
import SeededRandom

extension Bench {
    /// Compares the switching of a function's decode: eight slots are deleted, and then created again.
    mutating func toggle() throws {
        results.begin(name, "eight random slots deleted, then created; C: sixteen KVM_SET_USER_MEMORY_REGION")
        for count in [32, 32000] {
            try toggle(among: count)
        }
    }

    private mutating func toggle(among count: Int) throws {
        let size = UInt64(count) * Page.size
        let (machine, backing) = try GuestMachine.forBenchmark(spareMemory: size)
        let floor = FloorMachine(code: [0xf4], spareMemory: size)
        let pages = ScatteredPages(count: count, order: .random, backing: backing)
        floor.set(pages.slots)
        try machine.changeMemory(adding: pages.mappings)

        var random = SplitMix64(seed: 2)
        let toggles = 50
        /// Chooses the slots of each function. They are chosen anew for each round, but are the same for both sides.
        func functions() -> [[Int]] {
            (0..<toggles).map { _ in Array((0..<count).shuffled(first: 8, using: &random)) }
        }
        var chosen = functions()
        var uses = 0
        func next() -> [[Int]] {
            if uses == 2 {
                chosen = functions()
                uses = 0
            }
            uses += 1
            return chosen
        }
        func floorRound() -> [Elapsed] {
            let functions = next().map { $0.map { pages.slots[$0] } }
            var off = Elapsed.none
            var on = off
            for slots in functions {
                off = off + elapsed { floor.delete(slots) }
                on = on + elapsed { floor.set(slots) }
            }
            return [off, on, off + on]
        }
        func phases(_ kind: String, target: Double?) -> [Phase] {
            [
                Phase(name: "among \(count) slots\(kind): eight deletes", operations: toggles, target: nil),
                Phase(name: "among \(count) slots\(kind): eight creates", operations: toggles, target: nil),
                Phase(name: "among \(count) slots\(kind): both", operations: toggles, target: target),
            ]
        }
        try compare(
            phases("", target: 1.10), rounds: rounds(150), baseline: { floorRound() },
            swiftlet: {
                let functions = next().map { $0.map { pages.mappings[$0] } }
                var off = Elapsed.none
                var on = off
                for mappings in functions {
                    let ranges = mappings.map(\.range)
                    off = try off + elapsed { try machine.changeMemory(removing: ranges) }
                    on = try on + elapsed { try machine.changeMemory(adding: mappings) }
                }
                return [off, on, off + on]
            })
        compare(
            phases(", control: C", target: nil), rounds: rounds(50), baseline: floorRound, swiftlet: floorRound)
    }
}

extension Range<Int> {
    /// Returns `count` different random numbers of the range.
    fileprivate func shuffled(first count: Int, using random: inout SplitMix64) -> Set<Int> {
        var chosen = Set<Int>()
        while chosen.count < count {
            chosen.insert(Int.random(in: self, using: &random))
        }
        return chosen
    }
}
