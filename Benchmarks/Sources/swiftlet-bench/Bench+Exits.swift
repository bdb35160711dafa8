import Machine

extension Bench {
    /// A guest that reads a port: Swiftlet's run loop with its bus and devices, against KVM_RUN and a switch.
    mutating func exits() throws {
        results.begin(name, "port reads of a guest in real mode; C: KVM_RUN and a switch")
        let rounds = rounds(25)
        let chunk = max(1000, options.exits / rounds)
        let guest = TinyGuest.portReads(chunk)
        func floor() -> [Elapsed] {
            let machine = FloorMachine(code: guest)
            return [elapsed { precondition(machine.run() == UInt64(chunk + 1)) }]
        }
        try compare(
            [Phase(name: "exit", operations: chunk + 1, target: 1.05)], rounds: rounds,
            baseline: { floor() },
            swiftlet: {
                let machine = try GuestMachine.forBenchmark(code: guest).machine
                return [
                    try elapsed {
                        let report = try machine.run()
                        precondition(report.exits.pio == chunk + 1)
                    }
                ]
            })
        compare(
            [Phase(name: "exit, control: C against itself", operations: chunk + 1)], rounds: rounds,
            baseline: floor, swiftlet: floor)
    }
}
