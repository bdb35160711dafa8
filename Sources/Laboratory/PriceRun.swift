internal import Host
public import Machine

/// Measures the cells of a price list.
///
/// All cells are measured once in each of several rounds, so that a slow minute of the host falls on a round of every cell and not on all of
/// one. Within a round, operations of Swiftlet, the same system calls alone, and reference work of the processor take turns.
public enum PriceRun {
    /// Half of one run's rounds can be unlucky without moving a median.
    static let rounds = 5
    /// The time that a round spends at an operation and its undoing, unless all cells together would take too long.
    private static let longestTurn = Duration.milliseconds(150)
    /// What all turns take together, and what a run takes with its machines before it begins no further turn.
    private static let (allTurns, limit): (Duration, Duration) = (.seconds(45), .seconds(80))
    /// A turn ends early with so many samples, and changes sides after so many or so long.
    private static let (mostSamples, mostInBlock, longestBlock) = (400, 16, Duration.milliseconds(5))
    /// How long vCPUs are watched undisturbed in each turn.
    private static let undisturbed = Duration.milliseconds(20)

    /// Measures cells. Those that cannot be measured are in the result with the reason.
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
                let pairs = book.pairs.filter { $0.setup == setup }
                do throws(MachineError) {
                    let machine = try PricedMachine(setup, mayExhaustHost: mayExhaustHost)
                    defer { try? machine.end() }
                    for pair in pairs where observer.goesOn(done) && book.skipped[pair] == nil {
                        do throws(MachineError) { try takeTurn(pair, on: machine, for: turn, &book) } catch {
                            book.skipped[pair] = "\(error)"
                            // What the machine holds now is not known, so the others wait for the next round.
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

    /// Takes a turn at an operation and its undoing.
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
            let count = try block(pair.there, pair.back, on: machine, into: &samples.own)
            samples.disturbed.add(from: before, to: machine.progress, since: start)
            samples.pairs += count
            samples.addReference()
            if let plain = pair.plain {
                machine.forgetWalkedPages()
                _ = try block(plain.there, plain.back, on: machine, into: &samples.plain)
                samples.addReference()
            }
        } while SuspendingClock.now - begin < time && samples.own.there.count < mostSamples
        if let waited, let now = ProcessClock.waitForProcessor() {
            samples.waitShare = (now - waited) / (SuspendingClock.now - begin)
        }
        try pair.finish()
        try machine.checkGuest()
        book.samples[cell, default: []].append(samples)
    }

    /// Does an operation and its undoing over and over for a little while. Returns how often.
    private static func block(
        _ there: PricedMachine.Step, _ back: PricedMachine.Step?, on machine: PricedMachine,
        into times: inout PriceSamples.Times
    ) throws(MachineError) -> Int {
        let start = SuspendingClock.now
        var count = 0
        repeat {
            machine.awaitEntry()
            times.there.append(try there())
            if let back { times.back.append(try back()) }
            count += 1
        } while count < mostInBlock && SuspendingClock.now - start < longestBlock
        return count
    }
}

/// What a turn measured.
struct PriceSamples {
    /// The times of an operation and of its undoing.
    struct Times {
        var there = Latencies()
        var back = Latencies()
    }

    /// What vCPUs did in a time.
    struct Progress {
        var checks: UInt64 = 0
        var time = Duration.zero

        mutating func add(from before: UInt64?, to after: UInt64?, since start: SuspendingClock.Instant) {
            guard let before, let after else { return }
            checks += after &- before
            time += SuspendingClock.now - start
        }

        /// Checks in a second; nil where there was no time.
        var rate: Double? { time > .zero ? Double(checks) / time.inSeconds : nil }
    }

    var own = Times()
    var plain = Times()
    /// The times of the reference work.
    var work = Latencies()
    var undisturbed = Progress()
    var disturbed = Progress()
    /// How often the operation was done and undone by Swiftlet.
    var pairs = 0
    /// The share of the time in which the thread waited for a processor.
    var waitShare: Double?

    /// Does the reference work twice, and takes the second time: the first one fills the caches.
    mutating func addReference() {
        ProcessClock.referenceWork()
        work.append(measure(ProcessClock.referenceWork))
    }
}

/// The samples of a run, by the first operation of each pair.
struct PriceBook {
    private let cells: [PriceCell]
    /// The cells that stand for an operation and its undoing, in the order in which they are measured.
    let pairs: [PriceCell]
    /// Their machines, each once.
    let setups: [PriceSetup]
    var samples: [PriceCell: [PriceSamples]] = [:]
    var skipped: [PriceCell: String] = [:]

    init(_ cells: [PriceCell]) {
        self.cells = cells
        var (pairs, setups): ([PriceCell], [PriceSetup]) = ([], [])
        for first in cells.map(\.first) where !pairs.contains(first) {
            pairs.append(first)
            if !setups.contains(first.setup) { setups.append(first.setup) }
        }
        (self.pairs, self.setups) = (pairs, setups)
    }

    func result(interrupted: Bool) -> PriceResult {
        var (rows, unmeasured): ([PriceRow], [PriceResult.Unmeasured]) = ([], [])
        for cell in cells {
            let row = samples[cell.first].flatMap { PriceRow(cell, $0) }
            if let row { rows.append(row) }
            // A cell that failed in a later round is in both lists.
            let untold = row == nil ? interrupted ? "interrupted before" : "there was no time left for it" : nil
            if let reason = skipped[cell.first] ?? untold {
                unmeasured.append(PriceResult.Unmeasured(cell: cell, reason: reason))
            }
        }
        return PriceResult(rowList: rows, unmeasured: unmeasured, interrupted: interrupted, ok: !rows.isEmpty)
    }
}

extension PriceCell {
    /// The cell in whose turns this one is measured: its own, or that of the operation which it undoes.
    fileprivate var first: PriceCell {
        let undone = PriceOperation.allCases.first { $0.undo == operation }
        return PriceCell(
            operation: undone ?? operation, slotBytes: slotBytes, slots: slots, vcpus: vcpus, activity: activity)
    }
}
