internal import Host
public import Machine

/// An experiment that measures the cells of a price list.
///
/// Each of several rounds measures all cells once, so that a slow minute of the host falls on one round of every cell and not
/// on all rounds of one cell. Within a round, Swiftlet's operations, the same system calls alone, and reference work of the
/// processor take turns.
public enum PriceRun {
    /// The number of rounds. A median stays as it is if fewer than half of the rounds fall on a slow moment of the host.
    static let rounds = 5
    /// The time that a round spends on an operation and its undoing, unless all cells together would take too long.
    private static let longestTurn = Duration.milliseconds(150)
    /// The time that all turns take together, and the time after which a run, with the making of its machines, begins no
    /// further turn.
    private static let (allTurns, limit): (Duration, Duration) = (.seconds(45), .seconds(80))
    /// The number of samples after which a turn ends early, and the number of samples or the time after which it switches
    /// between Swiftlet's operations and the system calls alone.
    private static let (mostSamples, mostInBlock, longestBlock) = (400, 16, Duration.milliseconds(5))
    /// The time for which vCPUs are watched undisturbed in each turn.
    private static let undisturbed = Duration.milliseconds(20)

    /// Measures cells. The result names each cell that cannot be measured, with the reason.
    public static func run(
        _ observer: inout Observer, cells: [PriceCell], mayExhaustHost: Bool = false
    ) throws(MachineError) -> PriceResult {
        guard cells.count <= PriceCell.most else {
            throw .experiment("\(cells.count) cells: at most \(PriceCell.most) are measured in one run")
        }
        var book = PriceBook(cells)
        let turns = book.pairs.count * rounds
        let turn = min(longestTurn, allTurns / max(1, turns))
        observer.begin("measuring prices", total: turns, limit: limit)
        var done = 0
        for _ in 0..<rounds {
            for setup in book.setups where observer.goesOn(done) {
                let pairs = book.pairs.filter { $0.sharesMachine(with: setup) }
                do throws(MachineError) {
                    let machine = try PricedMachine(for: setup, mayExhaustHost: mayExhaustHost)
                    defer { try? machine.end() }
                    for pair in pairs where observer.goesOn(done) && book.skipped[pair] == nil {
                        do throws(MachineError) { try takeTurn(pair, on: machine, for: turn, &book) } catch {
                            book.skipped[pair] = "\(error)"
                            // The state of the machine is unknown now, so its other cells wait for the next round.
                            break
                        }
                        done += 1
                    }
                } catch {
                    if case .noKVM = error { throw error }
                    for pair in pairs where book.samples[pair] == nil { book.skipped[pair] = "\(error)" }
                }
            }
        }
        return book.result(interrupted: observer.hasInterrupted)
    }

    /// Measures an operation and its undoing for one turn.
    private static func takeTurn(
        _ cell: PriceCell, on machine: PricedMachine, for time: Duration, _ book: inout PriceBook
    ) throws(MachineError) {
        let pair = try machine.pair(cell.operation, slotBytes: cell.slotBytes)
        var samples = PriceSamples()
        machine.forgetWalkedPages()
        let (before, start) = (machine.progress, SuspendingClock.now)
        if before != nil { HostThread.sleep(for: undisturbed) }
        samples.undisturbed.add(from: before, to: machine.progress, since: start)
        let (begin, waited) = (SuspendingClock.now, ProcessClock.waitForProcessor())
        repeat {
            machine.forgetWalkedPages()
            let (before, start) = (machine.progress, SuspendingClock.now)
            let count = try block(pair.there, pair.back, on: machine, into: &samples.bySwiftlet)
            samples.disturbed.add(from: before, to: machine.progress, since: start)
            samples.pairs += count
            samples.addReference()
            if let calls = pair.systemCalls {
                machine.forgetWalkedPages()
                _ = try block(calls.there, calls.back, on: machine, into: &samples.systemCalls)
                samples.addReference()
            }
        } while SuspendingClock.now - begin < time && samples.bySwiftlet.there.count < mostSamples
        if let waited, let now = ProcessClock.waitForProcessor() {
            samples.waitShare = (now - waited) / (SuspendingClock.now - begin)
        }
        try pair.finish()
        try machine.checkGuest()
        book.samples[cell, default: []].append(samples)
    }

    /// Does an operation and its undoing over and over for a short time.
    ///
    /// - Returns: The number of repetitions.
    private static func block(
        _ there: PricedMachine.Step, _ back: PricedMachine.Step?, on machine: PricedMachine,
        into times: inout PriceSamples.Times
    ) throws(MachineError) -> Int {
        let start = SuspendingClock.now
        var count = 0
        repeat {
            // A vCPU that is still outside of the guest would not make a change wait.
            machine.machine.awaitEntry()
            times.there.append(try there())
            if let back { times.back.append(try back()) }
            count += 1
        } while count < mostInBlock && SuspendingClock.now - start < longestBlock
        return count
    }
}

/// The samples of one turn.
struct PriceSamples {
    /// The latencies of an operation and of its undoing.
    struct Times {
        var there = Latencies()
        var back = Latencies()
    }

    /// The checks that vCPUs made, and the time in which they made them.
    struct Progress {
        var checks: UInt64 = 0
        var time = Duration.zero

        mutating func add(from before: UInt64?, to after: UInt64?, since start: SuspendingClock.Instant) {
            guard let before, let after else { return }
            checks += after &- before
            time += SuspendingClock.now - start
        }

        /// The checks per second. Nil if no time passed.
        var rate: Double? { time > .zero ? Double(checks) / time.inSeconds : nil }
    }

    /// The latencies of Swiftlet's operations.
    var bySwiftlet = Times()
    /// The latencies of the system calls alone.
    var systemCalls = Times()
    /// The latencies of the reference work.
    var work = Latencies()
    var undisturbed = Progress()
    var disturbed = Progress()
    /// The number of times that Swiftlet did and undid the operation.
    var pairs = 0
    /// The share of the time in which the measuring thread waited for a processor.
    var waitShare: Double?

    /// Does the reference work twice, and measures the second time. The first time fills the caches.
    mutating func addReference() {
        ProcessClock.referenceWork()
        work.append(measure(ProcessClock.referenceWork))
    }
}

/// The samples of a run, by the first operation of each pair.
struct PriceBook {
    private let cells: [PriceCell]
    /// The cells whose operation comes first in a pair of an operation and its undoing, in the order of measuring.
    private(set) var pairs: [PriceCell] = []
    /// The first of these cells for each machine.
    private(set) var setups: [PriceCell] = []
    var samples: [PriceCell: [PriceSamples]] = [:]
    var skipped: [PriceCell: String] = [:]

    init(_ cells: [PriceCell]) {
        self.cells = cells
        for first in cells.map(\.first) where !pairs.contains(first) {
            pairs.append(first)
            if !setups.contains(where: first.sharesMachine) { setups.append(first) }
        }
    }

    func result(interrupted: Bool) -> PriceResult {
        var (rows, unmeasured): ([PriceRow], [PriceResult.Unmeasured]) = ([], [])
        for cell in cells {
            let row = samples[cell.first].flatMap { PriceRow(cell, $0) }
            if let row { rows.append(row) }
            // A cell that could not be measured in a later round has a price and a reason. It is in both lists.
            let untold = row == nil ? interrupted ? "interrupted before" : "there was no time left for it" : nil
            if let reason = skipped[cell.first] ?? untold {
                unmeasured.append(PriceResult.Unmeasured(cell: cell, reason: reason))
            }
        }
        return PriceResult(rowList: rows, unmeasured: unmeasured, interrupted: interrupted, ok: !rows.isEmpty)
    }
}

extension PriceCell {
    /// The cell in whose turns this one is measured: this cell itself, or the cell of the operation that it undoes.
    fileprivate var first: PriceCell {
        let undone = PriceOperation.allCases.first { $0.undo == operation }
        return PriceCell(
            operation: undone ?? operation, slotBytes: slotBytes, slots: slots, vcpus: vcpus, activity: activity)
    }
}
