import Machine
import Memslots

extension Bench {
    /// Compares many slots that are created, flagged, moved and deleted in one transaction each with a loop of
    /// KVM_SET_USER_MEMORY_REGION. Then does so with one slot in each transaction.
    mutating func slots() throws {
        results.begin(name, "one-page slots at scattered addresses; C: a loop of KVM_SET_USER_MEMORY_REGION")
        for (count, rounds) in [(32, rounds(300)), (2048, rounds(30)), (32763, rounds(6))] {
            for order in ScatteredPages.Order.allCases {
                try slots(count, order, rounds: rounds)
            }
            try slotsOneByOne(count, rounds: rounds)
        }
    }

    private mutating func slots(_ count: Int, _ order: ScatteredPages.Order, rounds: Int) throws {
        let size = UInt64(count) * Page.size
        let (machine, backing) = try GuestMachine.forBenchmark(spareMemory: size)
        let floor = FloorMachine(code: [0xf4], spareMemory: size)
        let pages = ScatteredPages(count: count, order: order, backing: backing)
        let ranges = pages.ranges
        let (logging, silent) = (pages.slots.with(flags: 1), pages.slots)
        func phases(_ tasks: [String]) -> [Phase] {
            tasks.map { Phase(name: "\(count) slots, \(order.rawValue): \($0)", operations: count, target: 1.05) }
        }
        try compare(
            phases(["create", "log dirty pages", "end logging", "delete"]), rounds: rounds,
            baseline: {
                [
                    elapsed { floor.set(pages.slots) },
                    elapsed { floor.set(logging) },
                    elapsed { floor.set(silent) },
                    elapsed { floor.delete(pages.slots) },
                ]
            },
            swiftlet: {
                [
                    try elapsed { try machine.changeMemory(adding: pages.mappings) },
                    try elapsed { try machine.setDirtyLogging(true, in: ScatteredPages.area) },
                    try elapsed { try machine.setDirtyLogging(false, in: ScatteredPages.area) },
                    try elapsed { try machine.changeMemory(removing: ranges) },
                ]
            })

        // Slots are moved there and back. A move makes the kernel's memory for a slot anew, and the time of a later delete
        // depends on the order of the moves. So no timed delete follows. The planner moves slots from the last address down.
        let movedMappings = pages.mappings.moved
        let movedRanges = movedMappings.map(\.range)
        let floorSlots = order == .byAddress ? Array(pages.slots.reversed()) : pages.slots
        let floorMovedSlots = floorSlots.moved
        floor.set(pages.slots)
        try machine.changeMemory(adding: pages.mappings)
        try compare(
            phases(["move", "move back"]), rounds: rounds,
            baseline: { [elapsed { floor.set(floorMovedSlots) }, elapsed { floor.set(floorSlots) }] },
            swiftlet: {
                [
                    try elapsed { try machine.changeMemory(removing: ranges, adding: movedMappings) },
                    try elapsed { try machine.changeMemory(removing: movedRanges, adding: pages.mappings) },
                ]
            })
    }

    private mutating func slotsOneByOne(_ count: Int, rounds: Int) throws {
        let size = UInt64(count) * Page.size
        let (machine, backing) = try GuestMachine.forBenchmark(spareMemory: size)
        let floor = FloorMachine(code: [0xf4], spareMemory: size)
        let pages = ScatteredPages(count: count, order: .random, backing: backing)
        let singles = pages.mappings.map { (mapping: [$0], range: [$0.range]) }
        try compare(
            ["create", "delete"].map { task in
                Phase(name: "\(count) transactions, random: \(task)", operations: count, target: 1.05)
            }, rounds: rounds,
            baseline: { [elapsed { floor.set(pages.slots) }, elapsed { floor.delete(pages.slots) }] },
            swiftlet: {
                [
                    try elapsed { for single in singles { try machine.changeMemory(adding: single.mapping) } },
                    try elapsed { for single in singles { try machine.changeMemory(removing: single.range) } },
                ]
            })
    }
}
