import Dispatch
import Machine
import Memslots

extension Bench {
    /// Compares a transaction of 2048 edits while a vCPU spins in the guest with the same transaction while none runs. Then
    /// compares it with a loop that does not park the vCPU.
    mutating func parked() throws {
        results.begin(name, "2048 edits in a transaction beside a vCPU that spins in the guest")
        let count = 2048
        let size = UInt64(count) * Page.size
        let pages = ScatteredPages(count: count, backing: GuestMachine.spareBacking)
        func creates(_ target: Double?) -> Phase { Phase(name: "2048 creates", operations: 1, target: target) }
        func deletes(_ target: Double?) -> Phase { Phase(name: "2048 deletes", operations: 1, target: target) }
        try compare(
            [creates(1.5), deletes(1.5)], with: "no vCPU runs", rounds: rounds(30),
            baseline: {
                let machine = try GuestMachine.forBenchmark(code: TinyGuest.spinner, spareMemory: size).machine
                return try Self.createAndDelete(pages, in: machine)
            },
            swiftlet: { try Self.whileSpinning(spareMemory: size) { try Self.createAndDelete(pages, in: $0) } })

        let few = 32
        let fewPages = ScatteredPages(count: few, backing: GuestMachine.spareBacking)
        try compare(
            [
                Phase(name: "32 creates, each", operations: few),
                Phase(name: "32 deletes, each", operations: few),
            ], with: "C, unparked", rounds: rounds(10),
            baseline: {
                let floor = FloorMachine(code: TinyGuest.spinner, spareMemory: size)
                floor.start()
                Self.settle()
                let times = [
                    elapsed { floor.set(fewPages.slots) }.wallOnly, elapsed { floor.delete(fewPages.slots) }.wallOnly,
                ]
                floor.poke(1, at: TinyGuest.stopFlag)
                floor.join()
                return times
            },
            swiftlet: { try Self.whileSpinning(spareMemory: size) { try Self.createAndDelete(fewPages, in: $0) } })
    }

    private static func createAndDelete(_ pages: ScatteredPages, in machine: GuestMachine) throws -> [Elapsed] {
        let ranges = pages.ranges
        return [
            try elapsed { try machine.changeMemory(adding: pages.mappings) }.wallOnly,
            try elapsed { try machine.changeMemory(removing: ranges) }.wallOnly,
        ]
    }

    /// Calls `body` with a machine whose vCPU spins.
    private static func whileSpinning(
        spareMemory: UInt64, _ body: (GuestMachine) throws -> [Elapsed]
    ) throws -> [Elapsed] {
        let machine = try GuestMachine.forBenchmark(code: TinyGuest.spinner, spareMemory: spareMemory).machine
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
            let report = try? machine.run()
            precondition(report?.outcome == .exited(0), "the guest did not end as it was told: \(report as Any)")
        }
        settle()
        let result = try body(machine)
        precondition(machine.write([1], at: GuestAddress(TinyGuest.stopFlag)))
        group.wait()
        return result
    }

    /// Gives a guest time to start.
    private static func settle() {
        _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(20))
    }
}
