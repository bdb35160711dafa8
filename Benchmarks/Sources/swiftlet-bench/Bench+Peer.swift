import FoundationEssentials

extension Bench {
    /// Compares Swiftlet with QEMU in tasks that both can do. They run the same guest, from before the start of the process to
    /// the guest's byte.
    mutating func peer() throws {
        guard let qemu = options.qemu else {
            return results.begin(name, "left out: there is no qemu-system-x86_64 here (Debian: qemu-system-x86)")
        }
        results.begin(name, "processes from before their start to the guest's byte; the baseline is QEMU with KVM")
        let directory = FileManager.default.temporaryDirectory.appending(path: "swiftlet-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }

        try peer(PeerMachine(.hello, in: directory), qemu, rounds: rounds(30), target: 0.1)
        for bars in [1, 16, 32, 200] {
            let machine = try PeerMachine(.bars, bars: bars, in: directory)
            try peer(machine, qemu, rounds: rounds(10))
            try countSlots(machine, qemu, in: directory)
        }
        // QEMU's time grows with the square of the number, to minutes for 2000 BARs. It is run once for its time and once for
        // its memory.
        for bars in options.effort > 1 ? [1000, 2000] : [] {
            let machine = try PeerMachine(.bars, bars: bars, in: directory)
            try peer(machine, qemu, rounds: 1, isSlow: true, target: bars == 2000 ? 0.02 : nil)
        }
    }

    /// Compares Swiftlet with QEMU for one machine. If there are BARs, the guest has to place them in QEMU. QEMU's time is
    /// compared with that of the same guest in Swiftlet, and with that of a guest in Swiftlet that finds the BARs mapped. Without
    /// BARs the other guest is one that Swiftlet has built in, started without options. The target is for the same guest.
    private mutating func peer(
        _ machine: PeerMachine, _ qemu: String, rounds: Int, isSlow: Bool = false, target: Double? = nil
    ) throws {
        func run(_ arguments: [String], saying byte: String) throws -> Elapsed {
            let child = ChildProcess(arguments)
            guard child.output.hasPrefix(byte) else { throw BenchError("\(arguments[0]) failed: \(child.report)") }
            return Elapsed(wall: child.firstByte)
        }
        let theirs = machine.qemu(qemu)
        let swiftlet = options.swiftlet
        let same = machine.swiftlet(swiftlet, guest: machine.guest)
        let other = machine.bars == 0 ? [swiftlet, "run", "hello-real"] : machine.swiftlet(swiftlet, guest: .hello)
        let commands = [(same, machine.guest.byte), (other, PeerMachine.Guest.hello.byte)]
        let here = isSlow ? "; here full-bus, the median of 5" : ""
        let tasks =
            machine.bars == 0
            ? ["a guest that says a byte", "likewise, built in and without options"]
            : [
                "\(machine.bars) memory BARs\(here), placed by the guest",
                "\(machine.bars) memory BARs\(here), mapped at boot; QEMU: by the guest",
            ]
        try compare(
            tasks.map { Phase(name: $0, operations: 1, target: $0 == tasks.first ? target : nil) }, with: "QEMU",
            rounds: rounds, warmsUp: !isSlow,
            baseline: {
                let elapsed = try run(theirs, saying: machine.guest.byte)
                return commands.map { _ in elapsed }
            },
            swiftlet: {
                // A task that QEMU does once in a minute takes a second here, which a busy host can make three. So it is done
                // several times.
                try commands.map { command, byte in
                    let times = try (0..<(isSlow ? 5 : 1)).map { _ in try run(command, saying: byte).wall }
                    return Elapsed(wall: Quartiles(times).median)
                }
            })
        results.add(
            Figure(
                name, "\(tasks[0]): peak memory in MiB, the guest's included",
                [
                    "QEMU": try peak(theirs, saying: machine.guest.byte, runs: isSlow ? 1 : 3),
                    "swiftlet": try peak(same, saying: machine.guest.byte, runs: 3),
                ]))
    }

    /// Returns the peak memory of a command in MiB, as the median of several runs.
    func peak(_ arguments: [String], saying byte: String, runs: Int) throws -> Double {
        let peaks = try (0..<runs).map { _ in
            let child = ChildProcess([options.floorPeak] + arguments)
            let numbers = child.output.split { !$0.isNumber }
            guard child.output.hasPrefix(byte), let kilobytes = numbers.last.flatMap({ Double($0) }) else {
                throw BenchError("\(arguments[0]) failed: \(child.report)")
            }
            return kilobytes / 1024
        }
        return Quartiles(peaks).median
    }

    /// Counts the slots that each monitor holds in the end.
    private mutating func countSlots(_ machine: PeerMachine, _ qemu: String, in directory: URL) throws {
        let log = directory.appending(path: "qemu.log")
        let traced = ChildProcess(machine.qemu(qemu) + ["-trace", "kvm_set_user_memory", "-D", log.path])
        guard traced.output == machine.guest.byte, FileManager.default.fileExists(atPath: log.path) else {
            throw BenchError("\(qemu) could not be traced: \(traced.report)")
        }
        var sizes: [Substring: Bool] = [:]
        for line in String(decoding: try Data(contentsOf: log), as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let slot = words.first(where: { $0.hasPrefix("Slot#") }) else { continue }
            sizes[slot] = !words.contains("size=0x0")
        }
        let report = try JSONDecoder().decode(
            SlotsReport.self,
            from: Data(ChildProcess(machine.swiftlet(options.swiftlet, guest: machine.guest)).report.utf8))
        results.add(
            Figure(
                name, "\(machine.bars) memory BARs: slots",
                ["QEMU": Double(sizes.values.count { $0 }), "swiftlet": Double(report.slots.count)]))
    }
}

private struct SlotsReport: Decodable {
    let slots: Slots

    struct Slots: Decodable {
        let count: Int
    }
}
