import Floor
import Images
import Machine
import Memslots

extension Bench {
    /// Compares a guest that reads a port or a device's memory: Swiftlet's run loop with its bus and devices, and KVM_RUN with
    /// a switch.
    mutating func exits() throws {
        results.begin(name, "reads of a guest in protected mode; C: KVM_RUN and a switch")
        try exits("port", TinyGuest.portReads)
        try exits("memory") { TinyGuest.memoryReads($0) }
    }

    private mutating func exits(_ what: String, _ guest: (Int) -> [UInt8]) throws {
        let rounds = rounds(25)
        let chunk = max(1000, options.exits / rounds)
        let guest = guest(chunk)
        func floor() -> [Elapsed] {
            let machine = FloorMachine(code: guest, mode: FLOOR_PROTECTED)
            return [elapsed { precondition(machine.run() == UInt64(chunk + 1)) }]
        }
        try compare(
            [Phase(name: "\(what) read", operations: chunk + 1, target: 1.03)], rounds: rounds,
            baseline: { floor() },
            swiftlet: {
                let machine = try GuestMachine.forBenchmark(code: guest, mode: .protected).machine
                return [
                    try elapsed {
                        let report = try machine.run()
                        precondition(report.exits.pio + report.exits.mmio == chunk + 1)
                    }
                ]
            })
        compare(
            [Phase(name: "\(what) read, control: C against itself", operations: chunk + 1)], rounds: rounds,
            baseline: floor, swiftlet: floor)
    }
}
