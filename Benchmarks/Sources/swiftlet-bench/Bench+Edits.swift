import IdleInstaller
import Memslots
import SeededRandom

extension Bench {
    /// Measures the work that Swiftlet itself adds to a change: transactions whose slots go to an installer that does nothing.
    ///
    /// The baseline is the same task among 32 slots, so the ratio shows how the cost grows with the table.
    mutating func edits() throws {
        results.begin(name, "transactions without a kernel; the baseline is the same task among 32 slots")
        let small = try EditedSpace(count: 32)
        for count in [32, 2048, 32000] {
            let large = try EditedSpace(count: count)
            for size in [1, 8] {
                try compare(
                    ["delete", "create"].map { task in
                        Phase(name: "\(task) \(size) among \(count) slots", operations: 1000)
                    }, with: "32 slots", rounds: rounds(50),
                    baseline: { try small.change(size, transactions: 1000) },
                    swiftlet: { try large.change(size, transactions: 1000) })
            }
        }
    }
}

/// The memory of a guest that nobody runs.
private final class EditedSpace {
    private var space: AddressSpace
    private let pages: ScatteredPages
    private var installer = IdleInstaller()
    private var random = SplitMix64(seed: 4)

    init(count: Int) throws {
        pages = ScatteredPages(count: count, order: .random)
        space = AddressSpace(
            limits: SlotLimits(userSlots: 32764), policy: .separate, placement: Placement(backings: [1 << 40]))
        try space.change(adding: pages.mappings, through: &installer)
    }

    /// Deletes `count` random slots and creates them again, in `transactions` turns.
    ///
    /// - Returns: The time of all deletes, and that of all creates.
    func change(_ count: Int, transactions: Int) throws -> [Elapsed] {
        var delete = Elapsed(processor: 0)
        var create = delete
        for _ in 0..<transactions {
            let first = Int.random(in: 0...pages.count - count, using: &random)
            let mappings = Array(pages.mappings[first..<first + count])
            let ranges = mappings.map(\.range)
            delete = try delete + elapsed { try space.change(removing: ranges, through: &installer) }.wallOnly
            create = try create + elapsed { try space.change(adding: mappings, through: &installer) }.wallOnly
        }
        return [delete, create]
    }
}
